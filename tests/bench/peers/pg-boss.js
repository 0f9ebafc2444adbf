// fetch() and complete(), which its documentation gives for one's own loop: work() rests between two fetches
// (half a second at the least), so it is a setting and no measure.
const job = require("./job.js");

exports.open = async (where, { clients }) => {
  const PgBoss = require("pg-boss");
  const boss = new PgBoss({ connectionString: where, max: clients });
  boss.on("error", (error) => { throw error; });
  await boss.start();
  await boss.createQueue("bench");
  return {
    submit: (_, count) => count === 1 ? boss.send("bench", job)
      : boss.insert(Array.from({ length: count }, () => ({ name: "bench", data: job }))),
    claim: (_, count) => boss.fetch("bench", { batchSize: count }),
    complete: (_, claimed) => boss.complete("bench", claimed.map((one) => one.id)),
    close: () => boss.stop({ graceful: false, wait: true }),
  };
};
