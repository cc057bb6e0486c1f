const assert = require("node:assert");
const test = require("node:test");
const seconds = require("../index.js");

test("a minute", () => assert.strictEqual(seconds("1m"), 60));
