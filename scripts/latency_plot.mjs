// Draws docs/latency.svg from target/bench/tick_to_bundle.json: latency over percentile, one line a path.
import { readFileSync, writeFileSync } from 'node:fs'

const { runs, floors } = JSON.parse(readFileSync('target/bench/tick_to_bundle.json', 'utf8'))
const slots = Math.max(...runs.map((run) => run.state_slots))
const shown = runs.filter((run) => run.state_slots === slots && run.mode === 'idle')
const floor = floors.find((floor) => floor.state_slots === slots)
const colors = { spin: '#0b7285', spin_known: '#2b8a3e', spin_evm: '#5f3dc4', spin_plain: '#74c0fc', share: '#e67700', peer: '#c92a2a' }
const [width, height, left, right, top, bottom] = [760, 420, 70, 130, 40, 50]
const values = shown.flatMap((run) => run.percentiles_us.map(([, us]) => us))
const least = 10 ** Math.floor(Math.log10(Math.min(...values, floor ? floor.known.sum_us : Infinity)))
const most = 10 ** Math.ceil(Math.log10(Math.max(...values)))
// Percentiles by their nines: the tail takes as much room as the middle.
const nines = (quantile) => Math.min(-Math.log10(1 - Math.min(quantile, 0.9999)), 3.3)
const x = (quantile) => left + (nines(quantile) / 3.3) * (width - left - right)
const y = (us) => top + (1 - Math.log10(us / least) / Math.log10(most / least)) * (height - top - bottom)
const out = [
  `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="12">`,
  `<rect width="100%" height="100%" fill="white"/>`,
  `<text x="${left}" y="22" font-size="14">Notification's first byte to bundle at the relay, ${slots} slots of state, loopback</text>`,
]
for (let us = least; us <= most; us *= 10) {
  out.push(`<line x1="${left}" x2="${width - right}" y1="${y(us)}" y2="${y(us)}" stroke="#dee2e6"/>`)
  const label = us >= 1000 ? `${us / 1000} ms` : `${us} µs`
  out.push(`<text x="${left - 8}" y="${y(us) + 4}" text-anchor="end">${label}</text>`)
}
for (const quantile of [0, 0.5, 0.9, 0.99, 0.999]) {
  out.push(`<text x="${x(quantile)}" y="${height - bottom + 20}" text-anchor="middle">p${quantile * 100}</text>`)
}
for (const [of, { sum_us: us }] of floor ? [['maths', floor.known], ['EVM', floor.evm]] : []) {
  out.push(`<line x1="${left}" x2="${width - right}" y1="${y(us)}" y2="${y(us)}" stroke="#868e96" stroke-dasharray="4 4"/>`)
  out.push(`<text x="${left + 8}" y="${y(us) - 4}" fill="#868e96">sum of parts, ${of}</text>`)
}
for (const run of shown) {
  const points = run.percentiles_us.map(([quantile, us]) => `${x(quantile).toFixed(1)},${y(us).toFixed(1)}`)
  const color = colors[run.path] ?? '#495057'
  out.push(`<polyline points="${points.join(' ')}" fill="none" stroke="${color}" stroke-width="2"/>`)
  const last = run.percentiles_us.at(-1)
  out.push(`<text x="${width - right + 8}" y="${y(last[1]) + 4}" fill="${color}">${run.path}</text>`)
}
out.push('</svg>')
writeFileSync('docs/latency.svg', out.join('\n') + '\n')
console.log('written: docs/latency.svg')
