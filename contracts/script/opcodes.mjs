// Which opcodes our contracts must not have, found by walking its code and stepping over the data of PUSH.

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

// Everything istanbul knows, and INVALID (0xfe), which solc puts between constructor and runtime code.
const ISTANBUL = new Set([
  ...range(0x00, 0x0b), ...range(0x10, 0x1d), 0x20, ...range(0x30, 0x47), ...range(0x50, 0x5b),
  ...range(0x60, 0xa4), ...range(0xf0, 0xf5), 0xfa, 0xfd, 0xfe, 0xff,
]);
// Later forks: BASEFEE and the blob pair, TLOAD, TSTORE, MCOPY, PUSH0.
const LATER = { istanbul: [], cancun: [...range(0x48, 0x4a), ...range(0x5c, 0x5f)] };
// Istanbul has these, ours promise not to: CREATE, CALLCODE, CREATE2, SELFDESTRUCT.
const NEVER = new Set([0xf0, 0xf2, 0xf5, 0xff]);
const [ADDRESS, GAS, DELEGATECALL] = [0x30, 0x5a, 0xf4];

/** Lists each opcode of `code` (hex, no 0x) that our contracts must not have on `evm`, as "0x5f at 12". */
export function offences(code, evm) {
  const bytes = Buffer.from(code, "hex");
  const known = new Set([...ISTANBUL, ...LATER[evm]]);
  const found = [];
  // The opcodes before this one. Three in a row run in a row: none of them can be jumped to.
  let before = [];
  for (let pc = 0; pc < bytes.length; pc++) {
    const op = bytes[pc];
    // The code itself is the only code that may run in its own name.
    const foreign = op === DELEGATECALL && !(before[0] === ADDRESS && before[1] === GAS);
    if (!known.has(op) || NEVER.has(op) || foreign) found.push(`0x${op.toString(16).padStart(2, "0")} at ${pc}`);
    before = [before[1], op];
    if (op >= 0x60 && op <= 0x7f) pc += op - 0x5f;
  }
  return found;
}
