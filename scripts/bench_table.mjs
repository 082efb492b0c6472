// Prints what the benches wrote since SECONDS (default: ever) as markdown: the machine, a row a bench, a row a peer.
// Usage: node scripts/bench_table.mjs [SECONDS since 1970]
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const target = path.join(path.dirname(fileURLToPath(import.meta.url)), "..", "target");
const since = Number(process.argv[2] ?? 0) * 1000;
const fresh = (file) => existsSync(file) && statSync(file).mtimeMs >= since;

// Criterion writes a folder a bench, with slashes in a bench's name as underscores; its full name is in benchmark.json.
function rows(folder) {
  if (!existsSync(folder)) return [];
  const found = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const inner = path.join(folder, entry.name);
    const estimates = path.join(inner, "new", "estimates.json");
    if (!fresh(estimates)) {
      found.push(...rows(inner));
      continue;
    }
    const name = JSON.parse(readFileSync(path.join(inner, "new", "benchmark.json"))).full_id;
    const { median } = JSON.parse(readFileSync(estimates));
    const { lower_bound: low, upper_bound: high } = median.confidence_interval;
    found.push({ name, median: median.point_estimate, low, high });
  }
  return found;
}

function human(ns) {
  const [divisor, unit] = ns < 1e3 ? [1, "ns"] : ns < 1e6 ? [1e3, "us"] : ns < 1e9 ? [1e6, "ms"] : [1e9, "s"];
  return `${(ns / divisor).toPrecision(3)} ${unit}`;
}

function say(command, ...args) {
  try {
    return execFileSync(command, args, { encoding: "utf8" }).trim();
  } catch {
    return "unknown";
  }
}

const model = /^Model name:\s*(.*)$/m.exec(say("lscpu"))?.[1] ?? os.cpus()[0]?.model ?? "unknown";
const memory = Math.round(os.totalmem() / 2 ** 30);
console.log(`\nMachine: ${model}, ${os.cpus().length} cores, ${memory} GiB, ${os.type()} ${os.release()}; ${say("rustc", "--version")}.`);
console.log("Command: `scripts/bench`. Medians; in brackets the 95 % interval of the median.\n");

const all = rows(path.join(target, "criterion")).sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
if (all.length > 0) {
  console.log("| bench | median | |\n|---|--:|---|");
  for (const { name, median, low, high } of all) console.log(`| ${name} | ${human(median)} | ${human(low)} to ${human(high)} |`);
}

const peers = path.join(target, "bench", "peers.json");
if (fresh(peers)) {
  console.log("\n| what | peer | ours | peer's | ratio | answers |\n|---|---|--:|--:|--:|---|");
  for (const row of JSON.parse(readFileSync(peers)))
    console.log(`| ${row.what} | ${row.peer} | ${human(row.ours_ns)} | ${human(row.peer_ns)} | ${row.ratio.toFixed(1)}x | ${row.answers} |`);
}
