const ms = require("ms");

module.exports = (text) => ms(text) / 1000;

if (require.main === module) {
  console.log(`${module.exports("2 hours")} seconds, as ${require("os").userInfo().username}`);
}
