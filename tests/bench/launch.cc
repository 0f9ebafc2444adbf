// Measures how long it takes from asking for a process until it has ended, for several ways of starting one.
//
// usage: launch ROUNDS COLD_ROUNDS PAUSE_MS < ways
//   Each line of standard input is a way: its name, then its argv, separated by tabs.
// Output, a line a way and regime:  NAME <tab> loop|cold <tab> p10_ns <tab> p50_ns <tab> p99_ns <tab> samples
// <tab> failed
//
// The ways take turns in an order that changes with every round, so that whatever else the machine does hits
// all alike. "loop" starts one right after the other; "cold" pauses before each, because some costs (an RCU
// grace period when a PID is moved into a cgroup, caches) show only on a machine that was idle. vfork: the
// launcher's own size must not count.

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

extern char** environ;

namespace {

struct Way {
  std::string name;
  std::vector<std::string> words;
  std::vector<char*> argv;
  std::vector<double> samples[2];
  int failed[2] = {0, 0};
};

double now_ns() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

void pause_ms(long ms) {
  timespec t{ms / 1000, ms % 1000 * 1'000'000};
  nanosleep(&t, nullptr);
}

/// Starts it, waits for its end, notes the time; with output thrown away as a caller would redirect it.
void sample(Way& way, int regime, const posix_spawn_file_actions_t& streams) {
  pid_t pid = 0;
  const double begin = now_ns();
  const int refused = posix_spawn(&pid, way.argv[0], &streams, nullptr, way.argv.data(), environ);
  int status = 0;
  if (refused == 0) waitpid(pid, &status, 0);
  const double took = now_ns() - begin;
  if (refused != 0 || status != 0)
    way.failed[regime]++;
  else
    way.samples[regime].push_back(took);
}

double percentile(std::vector<double> samples, double p) {
  if (samples.empty()) return 0;
  const auto at = static_cast<size_t>(std::ceil(p / 100 * static_cast<double>(samples.size()))) - 1;
  std::nth_element(samples.begin(), samples.begin() + static_cast<long>(at), samples.end());
  return samples[at];
}

/// Precedence for us and all that we start, where we may: what else the machine does should disturb little,
/// and all ways alike. Where the kernel groups tasks by session (autogroup), it is the group's nice value
/// that counts.
void take_precedence() {
  if (setpriority(PRIO_PROCESS, 0, -20) != 0 || setsid() < 0) return;
  prctl(PR_SET_PDEATHSIG, SIGTERM);  // Ctrl-C no longer reaches us, but ends the script
  const int fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  if (write(fd, "-20", 3) != 3) perror("launch: autogroup");
  close(fd);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const int rounds = atoi(argv[1]), cold_rounds = atoi(argv[2]);
  const long pause = atol(argv[3]);

  std::vector<Way> ways;
  for (std::string line; std::getline(std::cin, line);) {
    Way way;
    std::istringstream fields(line);
    std::getline(fields, way.name, '\t');
    for (std::string word; std::getline(fields, word, '\t');) way.words.push_back(word);
    if (!way.words.empty()) ways.push_back(std::move(way));
  }
  for (auto& way : ways) {
    for (auto& word : way.words) way.argv.push_back(word.data());
    way.argv.push_back(nullptr);
  }

  take_precedence();
  posix_spawn_file_actions_t streams;
  posix_spawn_file_actions_init(&streams);
  posix_spawn_file_actions_addopen(&streams, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&streams, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&streams, 2, "/dev/null", O_WRONLY, 0);

  std::vector<size_t> order(ways.size());
  for (size_t i = 0; i < order.size(); i++) order[i] = i;
  std::mt19937 random(1);  // the same order in every run
  // A first round that does not count: pages of the programs come from the disk.
  for (auto& way : ways) sample(way, 0, streams), way.samples[0].clear(), way.failed[0] = 0;
  for (int round = 0; round < rounds; round++) {
    std::shuffle(order.begin(), order.end(), random);
    for (const size_t i : order)
      for (int again = 0; again < 4; again++) {
        sample(ways[i], 0, streams);
        if (again == 0 && !ways[i].samples[0].empty())
          ways[i].samples[0].pop_back();  // paid for its neighbour
      }
  }
  for (int round = 0; round < cold_rounds; round++) {
    std::shuffle(order.begin(), order.end(), random);
    for (const size_t i : order) {
      pause_ms(pause);
      sample(ways[i], 1, streams);
    }
  }
  for (const auto& way : ways)
    for (int regime = 0; regime < 2; regime++)
      printf("%s\t%s\t%.0f\t%.0f\t%.0f\t%zu\t%d\n", way.name.c_str(), regime ? "cold" : "loop",
             percentile(way.samples[regime], 10), percentile(way.samples[regime], 50),
             percentile(way.samples[regime], 99), way.samples[regime].size(), way.failed[regime]);
}
