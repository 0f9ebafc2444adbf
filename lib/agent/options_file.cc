#include "agent/options_file.h"

#include <algorithm>

#include "sys/file.h"
#include "sys/text.h"
#include "sys/toml_reader.h"

namespace ffrtmp::agent {

namespace {

/// A size in quotes ("2G"), or a whole number of bytes.
Result<uint64_t> size_of(TomlReader& reader, std::string_view key, uint64_t fallback) {
  TRY(const std::string text, reader.text(key));
  if (text.empty()) return fallback;
  const auto bytes = parse_bytes(text);
  if (!bytes) return reader.error_at(key, reader.path_of(key) + ": " + bytes.error().message());
  return bytes->count;
}

Status read_masters(TomlReader& reader, Options& out) {
  const toml::node* node = reader.find("master");
  if (!node) return {};
  if (const auto* one = node->as_string()) {
    out.masters = {one->get()};
    return {};
  }
  TRY(out.masters, reader.texts("master"));
  return {};
}

Status read_labels(TomlReader& reader, Options& out) {
  TRY(const toml::table* table, reader.table("labels"));
  if (!table) return {};
  for (const auto& [key, value] : *table) {
    const auto* text = value.as_string();
    if (!text)
      return reader.error(place_of(value), "labels." + std::string(key.str()) + " is text in quotes");
    out.labels.emplace_back(std::string(key.str()), text->get());
  }
  return {};
}

Status read_limits(TomlReader& reader, Options& out) {
  TRY(const toml::table* table, reader.table("limits"));
  if (!table) return {};
  TomlReader inner(*table, reader.source(), "limits", place_of(*table));
  // Those of which one value is stricter than another; a share is no bound.
  for (const LimitKind kind : {LimitKind::cpu_max, LimitKind::memory_max, LimitKind::memory_high,
                               LimitKind::swap_max, LimitKind::pids_max}) {
    const std::string_view flag = limit_flag(kind);
    const toml::node* node = inner.find(flag);
    if (!node) continue;
    auto value = parse_limit(kind, value_text(*node));
    if (!value) return inner.error_at(flag, inner.path_of(flag) + ": " + value.error().message());
    out.limits.push_back({kind, std::move(*value), "the node's policy"});
  }
  return inner.done();
}

Result<std::optional<int64_t>> number_or_auto(TomlReader& reader, const std::string& key,
                                              std::optional<int64_t> before) {
  const toml::node* node = reader.find(key);
  if (!node) return before;
  if (const auto* number = node->as_integer()) return std::optional(number->get());
  if (const auto* word = node->as_string(); word && word->get() == "auto") return std::optional<int64_t>();
  return reader.error_at(key, key + " is a number, or \"auto\"");
}

Status read_tls(TomlReader& reader, Options& out) {
  TRY(const toml::table* table, reader.table("tls"));
  if (!table) return {};
  TomlReader inner(*table, reader.source(), "tls", place_of(*table));
  TRY(out.ca_file, inner.text("ca", out.ca_file));
  TRY(out.ca_pin, inner.text("ca-pin", out.ca_pin));
  TRY(out.client_cert, inner.text("cert", out.client_cert));
  TRY(out.client_key, inner.text("key", out.client_key));
  return inner.done();
}

}  // namespace

Status read_options_file(Options& out) {
  if (out.config.empty()) return {};
  TRY(const std::string text, read_file(out.config));
  TRY(const toml::table table, parse_toml(text, out.config));
  TomlReader reader(table, out.config, "", {1, 1});
  out.labels.clear();
  out.limits.clear();
  TRY_OK(read_masters(reader, out));
  TRY_OK(read_tls(reader, out));
  TRY_OK(read_labels(reader, out));
  TRY_OK(read_limits(reader, out));
  TRY(out.api_key_file, reader.text("api-key-file", out.api_key_file));
  TRY(out.name, reader.text("name", out.name));
  TRY(out.state_dir, reader.text("state-dir", out.state_dir));
  TRY(out.work_dir, reader.text("work-dir", out.work_dir));
  TRY(out.metrics_listen, reader.text("metrics-listen", out.metrics_listen));
  TRY(out.log_level, reader.text("log-level", out.log_level));
  TRY(out.log_format, reader.text("log-format", out.log_format));
  TRY(out.allow_exec, reader.flag("allow-exec", out.allow_exec));
  TRY(out.allow_inward, reader.flag("allow-inward-urls", out.allow_inward));
  if (reader.find("input-roots")) {
    TRY(out.input_roots, reader.texts("input-roots"));
  }
  if (reader.find("output-roots")) {
    TRY(out.output_roots, reader.texts("output-roots"));
  }
  TRY(const auto wait, reader.duration("poll-wait"));
  out.poll_wait = wait.value_or(out.poll_wait);
  TRY(out.outbox_bytes, size_of(reader, "outbox-bytes", out.outbox_bytes));
  TRY(out.disk_reserve, size_of(reader, "disk-reserve", out.disk_reserve));
  TRY(out.log_bytes, size_of(reader, "log-bytes", out.log_bytes));
  TRY(out.max_jobs, number_or_auto(reader, "max-concurrent-jobs", out.max_jobs));
  TRY(out.encoder_sessions, number_or_auto(reader, "encoder-sessions", out.encoder_sessions));
  return reader.done();
}

}  // namespace ffrtmp::agent
