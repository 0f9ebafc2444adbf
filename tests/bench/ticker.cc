// What a process with many threads feels: each thread wakes every millisecond and keeps how long it really
// took.
//
// usage: ticker THREADS
//   Every line on standard input ends a stretch: the ticks of all threads since the last line are printed as
//   p50_us <tab> p99_us <tab> max_us <tab> ticks. "ready" is printed first. Ends with its input.

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr long kTickNs = 1'000'000;
constexpr size_t kKept = 1 << 20;

/// Ticks of one thread: written by it alone, read while it goes on.
struct Thread {
  std::unique_ptr<unsigned[]> us{new unsigned[kKept]};
  std::atomic<size_t> count{0};
  size_t read = 0;
};

long now_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1'000'000'000L + t.tv_nsec;
}

void tick(Thread& own) {
  for (long last = now_ns();;) {
    const timespec pause{0, kTickNs};
    nanosleep(&pause, nullptr);
    const long now = now_ns();
    const size_t at = own.count.load(std::memory_order_relaxed);
    own.us[at % kKept] = static_cast<unsigned>((now - last) / 1000);
    own.count.store(at + 1, std::memory_order_release);
    last = now;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? atoi(argv[1]) : 1;
  std::vector<std::unique_ptr<Thread>> all;
  for (int i = 0; i < threads; i++) {
    all.push_back(std::make_unique<Thread>());
    std::thread(tick, std::ref(*all.back())).detach();
  }
  puts("ready");
  fflush(stdout);
  std::string line;
  while (std::getline(std::cin, line)) {
    std::vector<unsigned> ticks;
    for (auto& thread : all) {
      const size_t end = thread->count.load(std::memory_order_acquire);
      for (size_t i = std::max(thread->read, end > kKept ? end - kKept : 0); i < end; i++)
        ticks.push_back(thread->us[i % kKept]);
      thread->read = end;
    }
    std::sort(ticks.begin(), ticks.end());
    const auto at = [&](double q) {
      return ticks.empty() ? 0u : ticks[static_cast<size_t>(q * static_cast<double>(ticks.size() - 1))];
    };
    printf("%u\t%u\t%u\t%zu\n", at(0.5), at(0.99), at(1.0), ticks.size());
    fflush(stdout);
  }
  _exit(0);
}
