// A queue measured as tests/master/bench measures the master: `clients` at work, `batch` jobs a request; first all
// are submitted, then as many are claimed and ended. `fill` only puts jobs of the same sort into the queue.
//
//   measure.js QUEUE WHERE fill JOBS
//   measure.js QUEUE WHERE CLIENTS BATCH JOBS
//
// Prints {"submit_per_s", "lifecycle_per_s", "p50_ms", "p99_ms"}. A queue is a file beside this one: `open(where, options)`
// gives submit(count), and claim(count), heartbeat(claims), complete(claims), or else run(jobs), which does its own.
const now = () => Number(process.hrtime.bigint()) / 1e6;
const percentile = (list, part) => list[Math.floor((list.length * part) / 100)];

/// `clients` loops that take `batch` of `count` at a time; gives the milliseconds that it took.
async function share(clients, batch, count, step) {
  const start = now();
  await Promise.all(Array.from({ length: clients }, async (_, client) => {
    for (;;) {
      const mine = Math.min(batch, count);
      count -= mine;
      if (mine <= 0) return;
      await step(client, mine);
    }
  }));
  return now() - start;
}

async function fill(name, where, jobs) {
  const queue = await require(`./${name}.js`).open(where, { clients: 2, batch: 2000 });
  await share(2, 2000, jobs, (client, count) => queue.submit(client, count));
  await queue.close();
}

async function measure(name, where, clients, batch, jobs) {
  const queue = await require(`./${name}.js`).open(where, { clients, batch });
  const submitting = await share(clients, batch, jobs, (client, count) => queue.submit(client, count));
  const claims = [];
  let running;
  if (queue.run) {
    running = await queue.run(jobs, claims, now);
  } else {
    running = await share(clients, batch, jobs, async (client, count) => {
      while (count > 0) {
        const start = now();
        const claimed = await queue.claim(client, count);
        claims.push(now() - start);
        if (queue.heartbeat) await queue.heartbeat(client, claimed);
        await queue.complete(client, claimed);
        count -= claimed.length;
      }
    });
  }
  await queue.close();
  claims.sort((a, b) => a - b);
  console.log(JSON.stringify({
    submit_per_s: (jobs * 1000) / submitting, lifecycle_per_s: (jobs * 1000) / running,
    p50_ms: percentile(claims, 50) ?? null, p99_ms: percentile(claims, 99) ?? null,
  }));
}

const [name, where, ...numbers] = process.argv.slice(2);
const done = numbers[0] === "fill" ? fill(name, where, Number(numbers[1])) : measure(name, where, ...numbers.map(Number));
done.catch((error) => {
  console.error(error);
  process.exit(1);
});
