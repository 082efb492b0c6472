#!/usr/bin/env node
// Writes the table of snapshots/gas.json into README.md, between its two markers. `--check` exits 1 if it is not there already.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const MARKED = /(<!-- gas -->\n)[^]*(<!-- \/gas -->)/;

const gas = JSON.parse(readFileSync(at("snapshots/gas.json"), "utf8"));
const paths = [...new Set(Object.keys(gas).map((key) => key.split(": ")[0]))];
const figure = (value) => Number(value).toLocaleString("en-US");

const rows = paths
  .sort((a, b) => a.split(" ").length - b.split(" ").length || a.localeCompare(b))
  .map((path) => {
    const [swaps, run, paid] = ["swaps", "run", "paid"].map((name) => gas[`${path}: ${name}`]);
    const bare = swaps ? [figure(swaps), figure(run - swaps)] : ["", ""];
    return `| ${[path, bare[0], figure(run), bare[1], figure(paid)].join(" | ")} |\n`;
  });
const table = `| path | bare swaps | run | overhead | transaction |\n|---|--:|--:|--:|--:|\n${rows.join("")}`;

const readme = readFileSync(at("README.md"), "utf8");
const written = readme.replace(MARKED, (_, open, close) => `${open}${table}${close}`);
if (process.argv.includes("--check")) {
  if (written !== readme) {
    console.error("contracts/README.md does not show contracts/snapshots/gas.json: run npm run gas and commit both");
    process.exit(1);
  }
} else {
  writeFileSync(at("README.md"), written);
}
