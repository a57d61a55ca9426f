import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { fieldsOf, format, parse, problemWith, sliderRange, visibleIn } from "../../static/js/client/schema.js";

const { schema, defaults } = JSON.parse(readFileSync(new URL("every_field.json", import.meta.url), "utf8"));
const fields = fieldsOf(schema, defaults);
const field = (name) => fields.find((one) => one.name === name);

test("fields without ui are hidden, the others are sorted by order", () => {
  assert.deepEqual(fields.slice(0, 2).map((one) => one.name), ["first", "bounded"]);
  assert.equal(field("hidden"), undefined);
  assert.equal(field("height"), undefined);
  assert.equal(field("first").label, "First");
});

for (const [name, kind, nullable] of [
  ["bounded", "slider", false], ["first", "slider", false], ["nullable_bounded", "slider", true],
  ["free", "number", false], ["negative", "number", false], ["negative_minimum", "slider", false],
  ["stepped", "slider", false], ["literal", "select", false], ["int_literal", "select", false],
  ["constant", "constant", false], ["enum", "select", false], ["int_enum", "select", false],
  ["nullable_enum", "select", true], ["nullable_literal", "select", true], ["toggle", "toggle", false],
  ["text", "text", false], ["lines", "lines", false], ["nullable_text", "text", true], ["numbers", "json", false], ["mapping", "json", false],
]) {
  test(`${name} is a ${nullable ? "nullable " : ""}${kind}`, () => {
    assert.equal(field(name).kind, kind);
    assert.equal(field(name).nullable, nullable);
    assert.equal(problemWith(field(name), field(name).initial), null);
  });
}

test("bounds and steps come from the schema", () => {
  assert.deepEqual([field("nullable_bounded").min, field("nullable_bounded").max], [0, 2]);
  assert.equal(field("stepped").step, 8);
  assert.equal(field("negative_minimum").min, -10);
  assert.deepEqual([field("exclusive_int").min, field("exclusive_int").max], [1, 9]);
  assert.ok(sliderRange(field("first")).min > 0 && sliderRange(field("first")).max < 1);
});

test("defaults are those of the mode, also from a factory", () => {
  assert.equal(field("bounded").initial, 0.75);
  assert.deepEqual(field("numbers").initial, [3, 1]);
});

test("int enums stay numbers", () => {
  assert.strictEqual(parse(field("int_literal"), "2"), 2);
  assert.strictEqual(parse(field("int_enum"), "1"), 1);
  assert.strictEqual(parse(field("literal"), "b"), "b");
});

test("wrong values are told before they are sent", () => {
  assert.match(problemWith(field("bounded"), 1.5), /At most 1/);
  assert.match(problemWith(field("first"), 0), /More than 0/);
  assert.match(problemWith(field("negative"), 1.5), /whole/);
  assert.match(problemWith(field("text"), "much too long"), /8 characters/);
  assert.match(problemWith(field("literal"), "c"), /options/);
  assert.match(problemWith(field("bounded"), null), /needed/);
  assert.equal(problemWith(field("nullable_enum"), null), null);
  assert.throws(() => parse(field("free"), "x"), /number/);
  assert.throws(() => parse(field("numbers"), "[1"), /JSON/);
});

test("text and back", () => {
  assert.equal(format(field("numbers"), [1, 2]), "[1,2]");
  assert.deepEqual(parse(field("numbers"), "[1,2]"), [1, 2]);
  assert.equal(format(field("free"), 0.1 + 0.2), "0.3");
});

test("modes and load parameters", () => {
  assert.equal(visibleIn(field("only_text"), "video"), false);
  assert.equal(visibleIn(field("only_text"), "text"), true);
  assert.equal(field("load").loadParam, true);
});
