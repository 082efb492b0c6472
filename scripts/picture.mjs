// The README's picture, from a run: `peregrine demo | node scripts/picture.mjs "scripts/demo" > docs/demo.svg`.
// Text in, SVG out; nothing is added but the command line on top.
import { readFileSync } from "node:fs";

const command = process.argv[2] ?? "scripts/demo";
const lines = readFileSync(0, "utf8").trimEnd().split("\n");
const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const [size, step, margin] = [14, 20, 18];
const columns = Math.max(command.length + 2, ...lines.map((line) => line.length));
const width = Math.ceil(columns * size * 0.602) + 2 * margin;
const height = (lines.length + 2) * step + 2 * margin;

// What a line says first is what the eye looks for.
const line = (text, row) => {
  const y = margin + (row + 1) * step;
  const [, lead, name, rest] = /^(\s*)(\S+(?: \S+)*)(.*)$/.exec(text) ?? [null, "", "", text];
  return `<text x="${margin}" y="${y}" xml:space="preserve">${lead}<tspan fill="#8ec07c">${escape(name)}</tspan>${escape(rest)}</text>`;
};

process.stdout.write(`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" role="img"
  font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="${size}" fill="#ebdbb2">
<title>${escape(command)}</title>
<rect width="100%" height="100%" rx="8" fill="#1d2021"/>
<text x="${margin}" y="${margin + step}" xml:space="preserve"><tspan fill="#fabd2f">$</tspan> ${escape(command)}</text>
${lines.map((text, index) => line(text, index + 1)).join("\n")}
</svg>
`);
