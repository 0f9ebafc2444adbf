#include "why/causes.h"

#include <algorithm>
#include <cmath>

#include "sys/text.h"
#include "sys/units.h"

namespace ffrtmp {

namespace {

/// From which share of the time on a wait is worth a word: below it, it would not be felt.
constexpr double kFelt = 0.10;
/// Media that is slower does not keep up with real time; what is between the two is paced by it (a live
/// source, -re), and nothing but its source holds it back; what is faster goes as fast as it can.
constexpr double kKeepsUp = 0.98, kPaced = 1.05;

std::string number(double value) {
  char text[32];
  snprintf(text, sizeof text, "%.2f", value);
  std::string out = text;
  while (out.ends_with('0')) out.pop_back();
  if (out.ends_with('.')) out.pop_back();
  return out;
}
std::string cpus_text(double cpus) { return percent_text(cpus) + " of a CPU"; }
std::string rate_text(double bps) { return format_bytes(Bytes{static_cast<uint64_t>(bps)}) + "/s"; }

/// A whole percentage a tenth above what is needed, in steps of five.
std::string quota_of(double cpus) {
  return std::to_string(static_cast<long>(std::ceil(cpus * 110 / 5 - 1e-9)) * 5) + "%";
}
std::string memory_of(double bytes) {
  constexpr double kStep = 16 << 20;
  return format_bytes(Bytes{static_cast<uint64_t>(std::ceil(bytes / kStep) * kStep)});
}

bool slow(const Observation& seen) { return seen.speed && *seen.speed < kKeepsUp; }
bool keeps_up(const Observation& seen) {
  return seen.speed && *seen.speed >= kKeepsUp && *seen.speed <= kPaced;
}
bool throttled(const Observation& seen) { return seen.throttled_share.value_or(0) >= kFelt; }

void judge_quota(const Observation& seen, std::vector<Cause>& out) {
  if (!throttled(seen)) return;
  Cause cause;
  cause.name = "cpu quota";
  cause.certainty = Certainty::certain;
  cause.share = *seen.throttled_share;
  const std::string quota = seen.quota ? " of " + format_limit(LimitKind::cpu_max, *seen.quota) : "";
  cause.text =
      "is throttled by " +
      (seen.throttled_by.empty() ? "its own CPU quota" + quota
                                 : "the CPU quota" + quota + " of " + seen.throttled_by + " above it") +
      " in " + percent_text(cause.share) + " of the time";
  if (keeps_up(seen)) cause.text += ", yet its media keeps up";
  // Of another cgroup's quota the job has only a share: what it would take is not the job's to set.
  if (seen.throttled_by.empty() && seen.cpus_used) {
    const double most = seen.cpus_allowed > 0 ? seen.cpus_allowed : 1e6;
    const double held_back = *seen.cpus_used + seen.throttled_cpus.value_or(0);
    cause.limit = "cpu.max";
    // A stream that all but stands still tells nothing of what it would take.
    const double real_time = slow(seen) && *seen.speed > 0.05 ? *seen.cpus_used / *seen.speed : 0;
    if (real_time > most && seen.cpus_host > 0) {
      const double host = seen.cpus_host;
      cause.value = quota_of(std::min(real_time, host));
      if (most < host) cause.also = "--cpuset 0-" + std::to_string(seen.cpus_host - 1);
      cause.enough = real_time <= host;
      cause.caveat = cause.enough ? "what real time takes at this rate, if its threads can use more CPUs"
                                  : "real time takes " + number(real_time) +
                                        " CPUs at this rate, and this host has " + number(host);
    } else if (real_time > 0) {
      cause.value = quota_of(real_time);
      cause.caveat = "what real time takes at this rate";
    } else {
      cause.value = quota_of(std::min(most, held_back));
      cause.caveat = held_back > most ? "it would use all of the " + number(most) + " CPUs that it may run on"
                                      : "what it would use, by the time in which it was held back";
    }
  }
  out.push_back(cause);
}

void judge_host_cpu(const Observation& seen, std::vector<Cause>& out) {
  if (!seen.cpus_used) return;
  const double waiting = seen.waiting_cpus.value_or(0);
  const double wanted = *seen.cpus_used + waiting;
  if (throttled(seen)) return;  // a throttled thread counts as waiting: what the host adds cannot be told
  const bool all_used = seen.cpus_allowed > 0 && *seen.cpus_used >= 0.9 * seen.cpus_allowed;
  if (all_used && !keeps_up(seen)) {
    const bool whole_host = seen.cpus_allowed >= seen.cpus_host;
    Cause cause;
    cause.name = whole_host ? "host size" : "cpus";
    cause.certainty = Certainty::certain;
    cause.share = std::min(1.0, *seen.cpus_used / seen.cpus_allowed);
    cause.text = "uses " +
                 (whole_host ? std::string("every CPU of this host")
                             : "all of the " + std::to_string(seen.cpus_allowed) + " of " +
                                   std::to_string(seen.cpus_host) + " CPUs that it may run on") +
                 " (" + percent_text(cause.share) + " of the time)";
    if (!whole_host) {
      cause.limit = "cpuset.cpus";
      cause.value = "0-" + std::to_string(seen.cpus_host - 1);
      if (seen.quota && seen.quota->cpus() < seen.cpus_host)
        cause.also = "--cpu-max " + std::to_string(seen.cpus_host * 100) + "%";
      cause.caveat = "a program that sized its threads at its start goes on with as many as it has";
    }
    out.push_back(cause);
    return;
  }
  if (waiting < kFelt || waiting / wanted < 0.2) return;
  Cause cause;
  cause.name = "host cpu";
  cause.share = std::min(1.0, waiting / wanted);
  cause.text = "is starved by other work on the host's CPUs: its threads were ready to run and waited " +
               percent_text(cause.share) + " of that time";
  if (const auto& other = seen.busiest_other; other && other->cpus >= kFelt)
    cause.text += " (the busiest: " + other->name + ", pid " + std::to_string(other->pid) + ")";
  if (keeps_up(seen)) cause.text += ", yet its media keeps up";
  cause.limit = "cpu.weight";
  cause.value = "1000";
  cause.caveat =
      "ten times the share of a job with the usual 100; against what is no job it is ffrtmp.slice's "
      "CPUWeight that counts; a quota would not help";
  out.push_back(cause);
}

void judge_memory(const Observation& seen, std::vector<Cause>& out) {
  const double pressure = std::max(seen.memory_pressure.value_or(0), seen.memory_wait.value_or(0));
  const bool at_high = seen.high_events.value_or(0) > 0, at_max = seen.max_events.value_or(0) > 0;
  // Where the kernel does not tell what a hit costs (v1), a job that hits its limit is still worth a word.
  const bool told = seen.memory_pressure.has_value();
  if (told ? pressure < kFelt : !(at_high || at_max)) return;
  Cause cause;
  cause.share = told ? pressure : kFelt;
  cause.certainty = told && (at_high || at_max) ? Certainty::certain : Certainty::likely;
  if (!at_high && !at_max) {
    cause.name = "host memory";
    if (seen.host_memory.value_or(0) < kFelt / 2) return;  // it waits for its own pages: that is the disk
    cause.text = "waits for memory " + percent_text(pressure) + " of the time, and the host is short of it";
    out.push_back(cause);
    return;
  }
  cause.name = "memory limit";
  cause.limit = at_high ? "memory.high" : "memory.max";
  const auto& limit = at_high ? seen.memory_high : seen.memory_max;
  cause.text = "stands at " + (seen.memory_by.empty() ? "its own" : seen.memory_by + "'s") + " " +
               cause.limit + (limit ? " of " + format_bytes(Bytes{*limit}) : "") +
               (told ? " and waits for memory " + percent_text(pressure) + " of the time"
                     : "; what that costs this kernel does not tell");
  if (!seen.memory_by.empty()) {
    cause.limit.clear();
  } else if (limit) {
    const double most = static_cast<double>(
        std::max({seen.memory_peak_bytes.value_or(0), seen.memory_bytes.value_or(0), *limit}));
    cause.value = memory_of(most * (1 + std::max(0.25, pressure)));
    cause.caveat = "a next step: how much more it wants is not known while it is refused";
  }
  out.push_back(cause);
}

void judge_disk(const Observation& seen, std::vector<Cause>& out) {
  const double share = seen.io_pressure ? *seen.io_pressure : seen.disk_wait.value_or(0);
  // A look at sleeping threads is coarser than the kernel's account of lost time.
  if (share < (seen.io_pressure ? kFelt : 2 * kFelt)) return;
  Cause cause;
  cause.share = std::min(1.0, share);
  const std::string waits = " and waits for it " + percent_text(cause.share) + " of the time";
  for (const auto& limit : seen.io_limits)
    for (const bool write : {true, false}) {
      const auto& most = write ? limit.wbps : limit.rbps;
      const auto& rate = write ? seen.write_bps : seen.read_bps;
      if (!most || !rate || *rate < 0.8 * static_cast<double>(*most)) continue;
      const char* key = write ? "wbps=" : "rbps=";
      const std::string disk = std::to_string(limit.device.major) + ":" + std::to_string(limit.device.minor);
      cause.name = "disk limit";
      cause.certainty = Certainty::certain;
      cause.text = std::string(write ? "writes" : "reads") + " at its own io.max (" + rate_text(*rate) +
                   " of " + rate_text(static_cast<double>(*most)) + ")" + waits;
      cause.limit = "io.max";
      constexpr double kStep = 1 << 20;
      const double wanted = *rate / (1 - std::min(0.8, cause.share)) * 1.1;
      cause.value =
          disk + " " + key + format_bytes(Bytes{static_cast<uint64_t>(std::ceil(wanted / kStep) * kStep)});
      cause.caveat = "by the time in which it waited";
      out.push_back(cause);
      return;
    }
  cause.name = "disk";
  cause.text = "waits for a disk " + percent_text(cause.share) + " of the time";
  if (seen.host_io) cause.text += " (the whole host: " + percent_text(*seen.host_io) + ")";
  out.push_back(cause);
}

void judge_network(const Observation& seen, std::vector<Cause>& out) {
  if (!seen.network) return;
  const NetworkView& net = *seen.network;
  Cause cause;
  cause.name = "network";
  if (net.stalled) {
    cause.share = 1;
    cause.certainty = Certainty::certain;
    cause.text = "has stood still for " + format_duration(net.stalled->since) + ": " + net.stalled->what;
    out.push_back(cause);
  } else if (net.sending >= 2 * kFelt) {
    cause.share = net.sending;
    cause.text = "is blocked sending " + percent_text(net.sending) +
                 " of the time: the receiver, or the way to it, takes data more slowly than it is made";
    out.push_back(cause);
  } else if (net.receiving >= 2 * kFelt && slow(seen)) {
    // A live stream always waits for its input: only one that falls behind is held back by it.
    cause.share = net.receiving;
    cause.text = "waits for its network input " + percent_text(net.receiving) + " of the time";
    out.push_back(cause);
  }
}

void judge_program(const Observation& seen, std::vector<Cause>& out) {
  if (!out.empty() || keeps_up(seen) || !seen.cpus_used || seen.busiest_thread < 0.9) return;
  if (seen.cpus_allowed > 0 && *seen.cpus_used >= 0.9 * seen.cpus_allowed) return;
  Cause cause;
  cause.name = "the program itself";
  cause.share = std::min(1.0, seen.busiest_thread);
  cause.text =
      "is as fast as one of its threads" + (seen.busiest_name.empty() ? "" : " (" + seen.busiest_name + ")") +
      " can be, which was busy " + percent_text(cause.share) + " of the time; more CPUs would not help";
  out.push_back(cause);
}

}  // namespace

std::vector<Cause> find_causes(const Observation& seen) {
  std::vector<Cause> out;
  if (seen.stopped) {
    Cause cause;
    cause.name = "stopped";
    cause.certainty = Certainty::certain;
    cause.share = 1;
    cause.text = "was stopped by a signal (SIGSTOP or SIGTSTP); SIGCONT to its process lets it go on";
    return {cause};
  }
  judge_quota(seen, out);
  judge_host_cpu(seen, out);
  judge_memory(seen, out);
  judge_disk(seen, out);
  judge_network(seen, out);
  judge_program(seen, out);
  std::ranges::stable_sort(out, std::greater{}, &Cause::share);
  return out;
}

std::string sentence_of(const Observation& seen, const std::vector<Cause>& causes) {
  const std::string speed =
      seen.speed ? "; its media runs at " + number(*seen.speed) + "x real time" : std::string();
  if (!causes.empty()) {
    const Cause& first = causes.front();
    std::string out = "it " + first.text + speed;
    if (first.certainty == Certainty::likely) out = "likely, " + out;
    // What was counted gives a value; the rest is a step to try.
    const bool counted = first.limit == "cpu.max" || first.limit == "io.max";
    if (!first.value.empty())
      out += !first.enough ? "; no quota on this host would suffice: " + first.caveat
             : counted     ? "; " + first.limit + " " + first.value + " would likely have sufficed"
                           : "; try " + first.limit + " " + first.value;
    return out;
  }
  if (slow(seen))
    return "it is slow (" + number(*seen.speed) +
           "x real time), and no limit and no lack on this host explains it: look at its input, its network "
           "and "
           "its log";
  std::string out = "nothing that ffrtmp can measure holds it back";
  if (seen.cpus_used) out += ": it uses " + cpus_text(*seen.cpus_used);
  return out + speed;
}

std::vector<Evidence> evidence_of(const Observation& seen) {
  std::vector<Evidence> out;
  const auto add = [&](const char* name, const std::vector<std::string>& parts) {
    if (!parts.empty()) out.push_back({name, join(parts, ", ")});
  };
  std::vector<std::string> cpu, memory, disk, host;
  if (seen.cpus_used) cpu.push_back(cpus_text(*seen.cpus_used) + " used");
  if (seen.quota)
    cpu.push_back("quota " + format_limit(LimitKind::cpu_max, *seen.quota) +
                  (seen.throttled_by.empty() ? "" : " of " + seen.throttled_by));
  if (seen.throttled_share)
    cpu.push_back("throttled in " + percent_text(*seen.throttled_share) + " of its periods");
  if (seen.waiting_cpus) cpu.push_back(number(*seen.waiting_cpus) + " threads waiting for a CPU");
  if (seen.cpus_allowed)
    cpu.push_back("may run on " + std::to_string(seen.cpus_allowed) + " of " +
                  std::to_string(seen.cpus_host));
  add("cpu", cpu);
  if (seen.memory_bytes) memory.push_back(format_bytes(Bytes{*seen.memory_bytes}) + " now");
  if (seen.memory_peak_bytes) memory.push_back("peak " + format_bytes(Bytes{*seen.memory_peak_bytes}));
  if (seen.memory_high) memory.push_back("high " + format_bytes(Bytes{*seen.memory_high}));
  if (seen.memory_max) memory.push_back("max " + format_bytes(Bytes{*seen.memory_max}));
  if (const uint64_t hits = seen.high_events.value_or(0) + seen.max_events.value_or(0))
    memory.push_back("limit hit " + std::to_string(hits) + " times");
  if (seen.memory_pressure) memory.push_back("waited for it " + percent_text(*seen.memory_pressure));
  add("memory", memory);
  if (seen.read_bps) disk.push_back("reads " + rate_text(*seen.read_bps));
  if (seen.write_bps) disk.push_back("writes " + rate_text(*seen.write_bps));
  for (const auto& limit : seen.io_limits) disk.push_back("limit " + format_limit(LimitKind::io_max, limit));
  if (seen.io_pressure)
    disk.push_back("waited for it " + percent_text(*seen.io_pressure));
  else if (seen.disk_wait)
    disk.push_back("a thread waiting for it at " + percent_text(*seen.disk_wait) + " of looks");
  add("disk", disk);
  if (seen.network && (seen.network->sending > 0 || seen.network->receiving > 0))
    add("network", {"blocked sending at " + percent_text(seen.network->sending) + " of looks",
                    "waiting for input at " + percent_text(seen.network->receiving)});
  if (seen.host_cpu) host.push_back("some task waited for a CPU " + percent_text(*seen.host_cpu));
  if (seen.host_memory) host.push_back("for memory " + percent_text(*seen.host_memory));
  if (seen.host_io) host.push_back("for a disk " + percent_text(*seen.host_io));
  if (const auto& other = seen.busiest_other; other && other->cpus >= kFelt)
    host.push_back("most CPU besides the job: " + other->name + " (" + std::to_string(other->pid) + "), " +
                   cpus_text(other->cpus));
  add("host", host);
  if (seen.speed) add("media", {"speed " + number(*seen.speed) + "x"});
  if (!seen.unseen.empty()) add("not seen", {seen.unseen});
  return out;
}

Json figures_of(const Observation& seen) {
  const auto value = [](const auto& known) { return known ? Json(*known) : Json(nullptr); };
  return {{"window_s", seen.window_s},
          {"cpus_used", value(seen.cpus_used)},
          {"quota_cpus", seen.quota ? Json(seen.quota->cpus()) : Json(nullptr)},
          {"throttled_share", value(seen.throttled_share)},
          {"throttled_cpus", value(seen.throttled_cpus)},
          {"waiting_cpus", value(seen.waiting_cpus)},
          {"busiest_other", seen.busiest_other ? Json{{"name", seen.busiest_other->name},
                                                      {"pid", seen.busiest_other->pid},
                                                      {"cpus", seen.busiest_other->cpus}}
                                               : Json(nullptr)},
          {"cpus_allowed", seen.cpus_allowed},
          {"cpus_host", seen.cpus_host},
          {"memory_bytes", value(seen.memory_bytes)},
          {"memory_peak_bytes", value(seen.memory_peak_bytes)},
          {"memory_high", value(seen.memory_high)},
          {"memory_max", value(seen.memory_max)},
          {"memory_limit_hits", seen.high_events.value_or(0) + seen.max_events.value_or(0)},
          {"memory_pressure", value(seen.memory_pressure)},
          {"io_pressure", value(seen.io_pressure)},
          {"read_bps", value(seen.read_bps)},
          {"write_bps", value(seen.write_bps)},
          {"disk_wait", value(seen.disk_wait)},
          {"network_sending", seen.network ? Json(seen.network->sending) : Json(nullptr)},
          {"network_receiving", seen.network ? Json(seen.network->receiving) : Json(nullptr)},
          {"host_pressure",
           {{"cpu", value(seen.host_cpu)}, {"memory", value(seen.host_memory)}, {"io", value(seen.host_io)}}},
          {"speed", value(seen.speed)}};
}

}  // namespace ffrtmp
