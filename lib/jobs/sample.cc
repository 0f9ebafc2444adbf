#include "jobs/sample.h"

#include <algorithm>

#include "jobs/live.h"
#include "sys/clock.h"

namespace ffrtmp {

namespace {

template <class T>
std::optional<double> growth(const std::optional<T>& before, const std::optional<T>& after, double time) {
  if (!before || !after || time <= 0) return std::nullopt;
  return std::max(0.0, static_cast<double>(*after) - static_cast<double>(*before)) / time;
}

/// How much the members that both lists hold have grown; what is new since counts whole.
template <class Item, class Key, class Value>
double growth_of(const std::vector<Item>& before, const std::vector<Item>& after, Key key, Value value) {
  double out = 0;
  for (const auto& item : after) {
    const auto same = std::ranges::find(before, item.*key, key);
    const auto was = same == before.end() ? 0.0 : static_cast<double>((*same).*value);
    out += std::max(0.0, static_cast<double>(item.*value) - was);
  }
  return out;
}

std::optional<double> cpu_of(const Usage& usage) {
  if (!usage.cpu_user_s || !usage.cpu_system_s) return std::nullopt;
  return *usage.cpu_user_s + *usage.cpu_system_s;
}

}  // namespace

Sample take_sample(const Host& host, const StoredJob& job) {
  Sample out;
  out.at = monotonic_now();
  out.usage = live_usage(host, job);
  if (!job.record.progress_path.empty()) out.media = read_progress(job.record.progress_path);
  if (is_over(job.state) || !job.record.workload) return out;
  const auto processes = processes_of(leaf_of(host, job.record), job.record.workload->pid);
  if (auto connections = tcp_connections_of(processes)) out.connections = std::move(*connections);
  out.files = output_files_of(processes);
  std::erase_if(out.files, [&](const OutputFile& file) {
    return file.path == job.record.log_path || file.path == job.record.progress_path;
  });
  return out;
}

Rates rates_between(const Sample& before, const Sample& after) {
  Rates out;
  const double time = seconds_of(after.at - before.at);
  if (time <= 0) return out;
  const Usage &old = before.usage, &now = after.usage;
  out.cpu_cores = growth(cpu_of(old), cpu_of(now), time);
  if (const auto periods = growth(old.cpu_periods, now.cpu_periods, time); periods && *periods > 0)
    if (const auto throttled = growth(old.throttled_periods, now.throttled_periods, time))
      out.throttled_share = *throttled / *periods;
  const auto share = [&](const std::optional<uint64_t>& was, const std::optional<uint64_t>& is) {
    const auto us = growth(was, is, time);
    return us ? std::optional(std::min(1.0, *us / 1e6)) : std::nullopt;
  };
  out.cpu_pressure = share(old.cpu_pressure_us, now.cpu_pressure_us);
  out.memory_pressure = share(old.memory_pressure_us, now.memory_pressure_us);
  out.io_pressure = share(old.io_pressure_us, now.io_pressure_us);
  out.read_bps = growth(old.io_read_bytes, now.io_read_bytes, time);
  out.write_bps = growth(old.io_write_bytes, now.io_write_bytes, time);
  if (!after.connections.empty()) {
    const auto bits = [&](uint64_t TcpConnection::*counter) {
      return growth_of(before.connections, after.connections, &TcpConnection::inode, counter) * 8 / time;
    };
    out.sent_bits = bits(&TcpConnection::acked_bytes);
    out.received_bits = bits(&TcpConnection::received_bytes);
  }
  if (!after.files.empty())
    out.file_bps = growth_of(before.files, after.files, &OutputFile::path, &OutputFile::bytes) / time;
  return out;
}

std::optional<Standstill> network_standstill(const std::vector<TcpConnection>& connections) {
  std::optional<Standstill> longest;
  for (const auto& connection : connections)
    if (const auto since = connection.stalled(); since && (!longest || *since > longest->since))
      longest = Standstill{*since, connection.remote + " takes no more data, " +
                                       format_bytes(Bytes{connection.send_queue_bytes}) + " wait"};
  // A lost segment stops every line for a moment.
  constexpr Duration kWorthTelling = std::chrono::seconds(2);
  if (longest && longest->since < kWorthTelling) return std::nullopt;
  return longest;
}

std::optional<Standstill> standstill(const Record& record, const Sample& sample) {
  if (record.stalled_since)
    return Standstill{Duration(std::max<int64_t>(0, wall_now().ns - record.stalled_since->ns)),
                      "its media time has stood still since " + rfc3339(*record.stalled_since)};
  return network_standstill(sample.connections);
}

Json to_json(const TcpConnection& connection) {
  const auto stalled = connection.stalled();
  return {{"local", connection.local},
          {"remote", connection.remote},
          {"established", connection.established},
          {"acked_bytes", connection.acked_bytes},
          {"received_bytes", connection.received_bytes},
          {"send_queue_bytes", connection.send_queue_bytes},
          {"receive_queue_bytes", connection.receive_queue_bytes},
          {"retransmits", connection.retransmits},
          {"round_trip_s", seconds_of(connection.round_trip)},
          {"since_sent_s", seconds_of(connection.since_sent)},
          {"since_acked_s", seconds_of(connection.since_acked)},
          {"since_received_s", seconds_of(connection.since_received)},
          {"stalled_s", stalled ? Json(seconds_of(*stalled)) : Json(nullptr)}};
}

Json to_json(const OutputFile& file) {
  return {{"path", file.path}, {"bytes", file.bytes}, {"since_written_s", seconds_of(file.since_written)}};
}

Json to_json(const Rates& rates) {
  return {
      {"cpu_cores", or_null(rates.cpu_cores)},         {"throttled_share", or_null(rates.throttled_share)},
      {"cpu_pressure", or_null(rates.cpu_pressure)},   {"memory_pressure", or_null(rates.memory_pressure)},
      {"io_pressure", or_null(rates.io_pressure)},     {"read_bytes_per_s", or_null(rates.read_bps)},
      {"write_bytes_per_s", or_null(rates.write_bps)}, {"sent_bps", or_null(rates.sent_bits)},
      {"received_bps", or_null(rates.received_bits)},  {"file_bytes_per_s", or_null(rates.file_bps)}};
}

}  // namespace ffrtmp
