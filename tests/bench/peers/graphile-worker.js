// Its own pool of workers does the rounds: as many as there are clients, or in batches with the settings of its own
// performance test (24 workers, localQueue, completeJobBatchDelay). No worker waits for the end of a job to be written,
// so the time runs until the pool has stopped.
const { EventEmitter } = require("events");
const job = require("./job.js");

exports.open = async (where, { clients, batch }) => {
  process.env.NO_LOG_SUCCESS = "1";
  const { Logger, makeWorkerUtils, run } = require("graphile-worker");
  const logger = new Logger(() => (level, message) => { if (level === "error") console.error(message); });
  const utils = await makeWorkerUtils({ connectionString: where, maxPoolSize: clients, logger });
  await utils.migrate();
  return {
    submit: (_, count) => count === 1 ? utils.addJob("bench", job)
      : utils.addJobs(Array.from({ length: count }, () => ({ identifier: "bench", payload: job }))),
    run: async (jobs, claims, now, patience) => {
      const events = new EventEmitter(), asked = new Map();
      events.on("worker:getJob:start", ({ worker }) => asked.set(worker.workerId, now()));
      events.on("job:start", ({ worker }) => claims.push(now() - asked.get(worker.workerId)));
      let left = jobs, finished;
      const all = new Promise((resolve) => { finished = resolve; });
      const timer = setTimeout(() => finished(), patience);
      const start = now();
      const runner = await run({
        preset: { worker: { connectionString: where, ...(batch === 1 ? { concurrentJobs: clients, maxPoolSize: clients + 1 }
          : { concurrentJobs: 24, maxPoolSize: 25, localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 }) } },
        events, logger, noHandleSignals: true,
        taskList: { bench: () => { if (--left === 0) finished(); } },
      });
      await all;
      clearTimeout(timer);
      await runner.stop();
      return { done: jobs - left, per_s: ((jobs - left) * 1000) / (now() - start) };
    },
    close: () => utils.release(),
  };
};
