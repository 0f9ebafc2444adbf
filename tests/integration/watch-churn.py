# watch-churn.py TARGET STRANGER COUNT SECONDS PROMISE: starts and ends processes at random, and prints one JSON object: who lived
# longer than the promise, and who is nothing to a watcher.
import heapq, json, os, random, subprocess, sys, time
target, stranger, count, seconds, promise = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5])
seed = int(os.environ.get("WATCH_CHURN_SEED", time.time_ns() % 1000000))
random.seed(seed)
begin, live, long, strangers, short = time.monotonic(), [], [], [], 0
for number in range(count):
    pause = begin + seconds * number / count - time.monotonic()
    deadline = time.monotonic() + pause
    while True:
        now = time.monotonic()
        while live and live[0][0] <= now:
            process = heapq.heappop(live)[2]
            process.send_signal(random.choice((2, 9, 15)))
            process.wait()
        if now >= deadline: break
        time.sleep(min(0.005, deadline - now))
    kind = random.random()
    program = stranger if kind < 0.2 else target
    process = subprocess.Popen([program, "1000"])
    life = random.uniform(0.0, 0.3) if random.random() < 0.4 else random.uniform(promise + 1, promise + 1 + seconds / 4)
    if program == stranger: strangers.append(process.pid)
    elif life > promise: long.append(process.pid)
    else: short += 1
    heapq.heappush(live, (time.monotonic() + life, number, process))
while live:
    when, _, process = heapq.heappop(live)
    time.sleep(max(0, when - time.monotonic()))
    process.send_signal(random.choice((2, 9, 15)))
    process.wait()
print(json.dumps({"seed": seed, "long": long, "strangers": strangers, "short": short}))
