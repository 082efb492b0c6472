import assert from "node:assert/strict";
import test from "node:test";
import { offences } from "./opcodes.mjs";

test("a later fork's opcodes are offences on istanbul alone", () => {
  // BASEFEE, TLOAD, TSTORE, MCOPY, PUSH0
  for (const op of ["48", "5c", "5d", "5e", "5f"]) {
    assert.deepEqual(offences(`00${op}`, "istanbul"), [`0x${op} at 1`]);
    assert.deepEqual(offences(`00${op}`, "cancun"), []);
  }
});

test("what PUSH carries is not code", () => {
  assert.deepEqual(offences("605f00", "istanbul"), []);
  assert.deepEqual(offences(`7f${"5f".repeat(32)}5f`, "istanbul"), ["0x5f at 33"]);
});

test("code that creates, delegates or destroys itself is an offence everywhere", () => {
  for (const op of ["f0", "f2", "f4", "f5", "ff"]) {
    assert.deepEqual(offences(op, "cancun"), [`0x${op} at 0`]);
  }
});

test("code may delegate to itself alone", () => {
  assert.deepEqual(offences("305af4", "istanbul"), []);
  assert.deepEqual(offences("305b5af4", "istanbul"), ["0xf4 at 3"]);
  // What looks like ADDRESS is what a PUSH carries.
  assert.deepEqual(offences("60305af4", "istanbul"), ["0xf4 at 3"]);
});
