// A queue measured as tests/master/bench measures the master: `clients` at work, `batch` jobs a request; first all
// are submitted, then as many are claimed and ended. `fill` only puts jobs of the same sort into the queue.
//
//   measure.js QUEUE WHERE fill JOBS
//   measure.js QUEUE WHERE CLIENTS BATCH JOBS
//
// Prints {"submit_per_s", "lifecycle_per_s", "ended", "p50_ms", "p99_ms"}. A queue is a file beside this one: `open(where, options)`
// gives submit(count), and claim(count), heartbeat(claims), complete(claims), or else run(jobs), which does its own.
const now = () => Number(process.hrtime.bigint()) / 1e6;
const percentile = (list, part) => list[Math.floor((list.length * part) / 100)];

const patience = 20000; // a queue that is too slow for all that it was given is judged by what it did until then

/// `clients` loops that take `batch` of `count` at a time; gives how many were done, and in a second.
async function share(clients, batch, count, step, until = Infinity) {
  const start = now();
  let done = 0;
  await Promise.all(Array.from({ length: clients }, async (_, client) => {
    while (count > 0 && now() - start < until) {
      const mine = Math.min(batch, count);
      count -= mine;
      await step(client, mine);
      done += mine;
    }
  }));
  return { done, per_s: (done * 1000) / (now() - start) };
}

async function fill(name, where, jobs) {
  const queue = await require(`./${name}.js`).open(where, { clients: 2, batch: 2000 });
  await share(2, 2000, jobs, (client, count) => queue.submit(client, count));
  await queue.close();
}

async function measure(name, where, clients, batch, jobs) {
  const queue = await require(`./${name}.js`).open(where, { clients, batch });
  const submitted = await share(clients, batch, jobs, (client, count) => queue.submit(client, count));
  const claims = [];
  let ended;
  if (queue.run) {
    ended = await queue.run(jobs, claims, now, patience);
  } else {
    ended = await share(clients, batch, jobs, async (client, count) => {
      while (count > 0) {
        const start = now();
        const claimed = await queue.claim(client, count);
        claims.push(now() - start);
        if (queue.heartbeat) await queue.heartbeat(client, claimed);
        await queue.complete(client, claimed);
        count -= claimed.length;
      }
    }, patience);
  }
  await queue.close();
  claims.sort((a, b) => a - b);
  console.log(JSON.stringify({
    submit_per_s: submitted.per_s, lifecycle_per_s: ended.per_s, ended: ended.done,
    p50_ms: percentile(claims, 50) ?? null, p99_ms: percentile(claims, 99) ?? null,
  }));
}

const [name, where, ...numbers] = process.argv.slice(2);
const done = numbers[0] === "fill" ? fill(name, where, Number(numbers[1])) : measure(name, where, ...numbers.map(Number));
done.catch((error) => {
  console.error(error);
  process.exit(1);
});
