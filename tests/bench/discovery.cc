// discovery ROUNDS PAUSE_MS NICE PROGRAM [ARGUMENT...]: starts the program again and again, and measures from
// its exec until somebody has given it that nice value (attach sets it after all else). One line a round:
// microseconds, or "missed" after 60 s.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_us() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}
static void sleep_us(long us) {
  const timespec t{us / 1000000, us % 1000000 * 1000};
  nanosleep(&t, nullptr);
}

int main(int argc, char** argv) {
  if (argc < 5) return 2;
  const int rounds = atoi(argv[1]), nice_value = atoi(argv[3]);
  const long pause_ms = atol(argv[2]);
  srand(static_cast<unsigned>(time(nullptr)));
  for (int round = 0; round < rounds; round++) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return 1;
    const pid_t pid = fork();
    if (pid == 0) {
      execv(argv[4], argv + 4);
      _exit(127);
    }
    close(ends[1]);
    char byte;
    (void)!read(ends[0], &byte, 1);  // ends with the exec
    const double begin = now_us();
    close(ends[0]);
    bool found = false;
    while (!found && now_us() - begin < 60e6) {
      found = getpriority(PRIO_PROCESS, static_cast<id_t>(pid)) == nice_value;
      if (!found) sleep_us(200);
    }
    if (found)
      printf("%.0f\n", now_us() - begin);
    else
      puts("missed");
    fflush(stdout);
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    // Not in step with anybody's interval.
    sleep_us(pause_ms * 500 + rand() % (pause_ms * 1000 + 1));
  }
}
