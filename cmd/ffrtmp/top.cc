#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "jobs/live.h"
#include "jobs/sample.h"
#include "print.h"
#include "sys/clock.h"
#include "sys/text.h"
#include "verb.h"

namespace ffrtmp {

namespace {

/// A screen of our own on the terminal, with keys read one by one; everything is as before when it goes.
class Screen {
 public:
  Screen() {
    ::tcgetattr(STDIN_FILENO, &before_);
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    print_out("\033[?1049h\033[?25l");  // the alternate screen, without a cursor
  }
  ~Screen() {
    print_out("\033[?25h\033[?1049l");
    ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  void show(const std::string& text) const {
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
      size.ws_col = 80, size.ws_row = 24;
    std::string out = "\033[H";
    size_t row = 0;
    for (std::string_view line : lines(text)) {
      if (++row >= size.ws_row) break;
      // table() has made control characters visible; a character cut in half would upset the terminal.
      size_t width = 0, end = 0;
      for (; end < line.size(); end++) {
        const bool begins = (static_cast<unsigned char>(line[end]) & 0xC0) != 0x80;
        if (begins && ++width > size.ws_col) break;
      }
      out += std::string(line.substr(0, end)) + "\033[K\n";
    }
    print_out(out + "\033[J");
  }

 private:
  termios before_{};
};

std::string rate_text(const std::optional<double>& bytes) {
  if (!bytes) return "-";
  return *bytes < 1 ? "0" : format_bytes(Bytes{static_cast<uint64_t>(*bytes)}) + "/s";
}

std::string share_text(const std::optional<double>& share) {
  return share ? std::to_string(static_cast<int>(*share * 100 + 0.5)) + "%" : "-";
}

/// What it makes: that it stands still, its media progress, or what leaves it.
std::string doing_text(const StoredJob& job, const Sample& now, const Rates& rates) {
  if (job.paused) return "paused";
  std::vector<std::string> parts;
  if (const auto still = standstill(job.record, now))
    parts.push_back("stalled " + format_duration(still->since));
  const auto number = [&](const std::optional<double>& value, const char* unit) {
    char text[32];
    if (!value) return;
    snprintf(text, sizeof text, "%.3g", *value);
    parts.push_back(text + std::string(unit));
  };
  if (now.media) {
    number(now.media->fps, " fps");
    number(now.media->speed, "x");
  }
  if (rates.sent_bits && *rates.sent_bits >= 1) parts.push_back("out " + format_bit_rate(*rates.sent_bits));
  if (rates.received_bits && *rates.received_bits >= 1)
    parts.push_back("in " + format_bit_rate(*rates.received_bits));
  if (rates.file_bps && *rates.file_bps >= 1) parts.push_back("file " + rate_text(rates.file_bps));
  return parts.empty() ? "-" : join(parts, ", ");
}

/// One look at all living jobs, against the look before.
class Board {
 public:
  std::string look(const Host& host, const JobStore& store) {
    std::map<std::string, Sample> now;
    std::vector<std::vector<std::string>> rows{
        {"JOB", "STATE", "CPU", "HELD", "MEMORY", "READ", "WRITTEN", "AGE", "DOES"}};
    for (const auto& job : store.list()) {
      if (is_over(job.state)) continue;
      const std::string& id = job.record.job_id;
      const Sample& sample = now[id] = take_sample(host, job);
      const auto was = before_.find(id);
      const Rates rates = was == before_.end() ? Rates{} : rates_between(was->second, sample);
      rows.push_back({id, std::string(job_state_text(job)), share_text(rates.cpu_cores),
                      share_text(rates.throttled_share),
                      sample.usage.memory_bytes ? format_bytes(Bytes{*sample.usage.memory_bytes}) : "-",
                      rate_text(rates.read_bps), rate_text(rates.write_bps), format_duration(age_of(job)),
                      doing_text(job, sample, rates)});
    }
    before_ = std::move(now);
    if (rows.size() == 1) return "no jobs run here\n";
    return table(rows);
  }

 private:
  std::map<std::string, Sample> before_;
};

/// Waits for the next look; false when it is time to leave: q, Ctrl-C, or the terminal is gone.
bool goes_on(int signals, bool keys, Duration pause) {
  const Duration until = monotonic_now() + pause;
  pollfd waiting[] = {{signals, POLLIN, 0}, {keys ? STDIN_FILENO : -1, POLLIN, 0}};
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - monotonic_now()).count();
    if (left <= 0) return true;
    if (::poll(waiting, 2, static_cast<int>(left)) < 0 && errno != EINTR) return false;
    if (waiting[0].revents) return false;
    if (!waiting[1].revents) continue;
    char key = 0;
    if (::read(STDIN_FILENO, &key, 1) <= 0 || key == 'q' || key == 'Q') return false;
  }
}

Result<int> top_verb(const Arguments& arguments) {
  if (!arguments.positionals.empty())
    return bad_input("ffrtmp top takes no argument:", arguments.positionals[0],
                     "ffrtmp status JOB shows one");
  Duration interval = std::chrono::seconds(2);
  if (arguments.has("interval")) {
    TRY(interval, parse_duration(arguments.value("interval")));
  }
  constexpr Duration kShortest = std::chrono::milliseconds(100), kLongest = std::chrono::hours(1);
  if (interval < kShortest || interval > kLongest)
    return bad_input("--interval is out of range:", arguments.value("interval"), "give 100ms to 1h");
  const bool screen = ::isatty(STDOUT_FILENO) && ::isatty(STDIN_FILENO) && !arguments.has("batch");
  uint64_t looks = screen ? 0 : 1;  // 0: until told to leave
  if (arguments.has("count")) {
    const auto count = parse_u64(arguments.value("count"));
    if (!count || *count == 0)
      return bad_input("--count is not a number of looks:", arguments.value("count"), "give 1 or more");
    looks = *count;
  }
  TRY(const JobStore store, JobStore::open());
  const Host host = probe_host();
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) sigaddset(&set, number);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  const Fd signals(::signalfd(-1, &set, SFD_CLOEXEC));
  Board board;
  std::optional<Screen> own;
  if (screen) own.emplace();
  std::string shown = board.look(host, store);
  // The first look has nothing to compare with: on a terminal it is shown at once all the same.
  if (own) own->show(shown);
  for (uint64_t i = 0; looks == 0 || i < looks; i++) {
    if (!goes_on(signals.get(), own.has_value(), interval)) break;
    shown = board.look(host, store);
    if (own)
      own->show(shown);
    else if (const int code = print_out((i > 0 ? "\n" : "") + shown); code != 0)
      return code;
  }
  return 0;
}

}  // namespace

const Verb kTopVerb = {
    "top",
    "[--interval DUR] [--count N]",
    "Show what all jobs use and do, again and again; q leaves.",
    {{"interval", 'i', "DUR", "between two looks; 2s"},
     {"count", 'n', "N", "so many looks, then leave; not on a terminal: 1"},
     {"batch", 'b', nullptr, "one table after the other, also on a terminal"}},
    "CPU 100% is one CPU; HELD is the share of time in which its CPU limit held the job back.\n"
    "Reading costs the jobs nothing.\n",
    top_verb,
};

}  // namespace ffrtmp
