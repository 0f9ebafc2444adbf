#include "adopt/journal.h"

#include <algorithm>

#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

constexpr int kSchema = 1;

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};

Json identity_json(const ProcessIdentity& identity) {
  return {{"pid", identity.pid}, {"start_ticks", identity.start_ticks}, {"boot_id", identity.boot_id}};
}
Json place_json(const LeafPlace& place) {
  return {{"mount", place.mount_point}, {"path", place.path}, {"id", place.id}};
}
Json texts_json(const std::vector<ControlText>& texts) {
  Json out = Json::array();
  for (const auto& text : texts) out.push_back({{"file", text.file}, {"text", text.text}});
  return out;
}

Json step_json(const Step& step) {
  return std::visit(
      Overloaded{
          [](const LeafStep& s) {
            Json places = Json::array();
            for (const auto& place : s.places) places.push_back(place_json(place));
            return Json{{"step", "leaf"}, {"name", s.name}, {"places", places}};
          },
          [](const MoveStep& s) {
            Json moves = Json::array();
            for (const auto& move : s.moves)
              moves.push_back({{"process", identity_json(move.process)},
                               {"mount", move.mount_point},
                               {"from", move.from},
                               {"to", move.to}});
            return Json{{"step", "move"}, {"moves", moves}};
          },
          [](const ControlStep& s) {
            return Json{{"step", "control"},
                        {"place", place_json(s.place)},
                        {"before", texts_json(s.before)},
                        {"after", s.after ? texts_json(*s.after) : Json(nullptr)}};
          },
          [](const UnitStep& s) {
            return Json{{"step", "unit"},
                        {"manager", s.manager},
                        {"unit", s.unit},
                        {"before", s.before},
                        {"after", s.after}};
          },
          [](const ThreadStep& s) {
            Json threads = Json::array();
            for (const auto& t : s.threads)
              threads.push_back(
                  {{"tid", t.thread.tid}, {"start_ticks", t.thread.start_ticks}, {"before", t.before}});
            return Json{{"step", "threads"},
                        {"process", identity_json(s.process)},
                        {"setting", thread_setting_name(s.setting)},
                        {"threads", threads},
                        {"after", s.after}};
          },
          [](const OomStep& s) {
            return Json{{"step", "oom_score_adj"},
                        {"process", identity_json(s.process)},
                        {"before", s.before},
                        {"after", s.after}};
          },
      },
      step);
}

/// Reads a step; whatever is missing or of another kind makes the whole of it wrong.
class StepReader {
 public:
  explicit StepReader(const Json& json) : json_(json) {}
  bool ok() const { return ok_; }
  void wrong() { ok_ = false; }

  std::string text(const Json& from, const char* key) {
    const Json& value = at_or_null(from, key);
    if (!value.is_string()) ok_ = false;
    return value.is_string() ? value.get<std::string>() : "";
  }
  /// An absolute path of a cgroup or a mount, without a step upwards.
  std::string path(const Json& from, const char* key) {
    std::string out = text(from, key);
    const auto parts = split(out, '/');
    if (!out.starts_with('/') || std::ranges::find(parts, "..") != parts.end()) ok_ = false;
    return out;
  }
  int64_t whole(const Json& from, const char* key, int64_t least, int64_t most) {
    const Json& value = at_or_null(from, key);
    const bool fits = value.is_number_integer() &&
                      (!value.is_number_unsigned() || value.get<uint64_t>() <= INT64_MAX) &&
                      value.get<int64_t>() >= least && value.get<int64_t>() <= most;
    if (!fits) ok_ = false;
    return fits ? value.get<int64_t>() : 0;
  }
  uint64_t ticks(const Json& from, const char* key) {
    const Json& value = at_or_null(from, key);
    if (!value.is_number_unsigned()) ok_ = false;
    return value.is_number_unsigned() ? value.get<uint64_t>() : 0;
  }
  ProcessIdentity identity(const Json& from) {
    const Json& value = at_or_null(from, "process");
    return {static_cast<pid_t>(whole(value, "pid", 1, INT32_MAX)), ticks(value, "start_ticks"),
            text(value, "boot_id")};
  }
  LeafPlace place(const Json& value) {
    return {path(value, "mount"), path(value, "path"), ticks(value, "id")};
  }
  std::vector<ControlText> texts(const Json& list) {
    std::vector<ControlText> out;
    for (const Json& item : items(list)) {
      out.push_back({text(item, "file"), text(item, "text")});
      if (out.back().file.empty() || out.back().file.contains('/')) ok_ = false;
    }
    return out;
  }
  const Json& items(const Json& list) {
    static const Json none = Json::array();
    if (!list.is_array()) ok_ = false;
    return list.is_array() ? list : none;
  }
  const Json& list(const char* key) { return items(at_or_null(json_, key)); }

 private:
  const Json& json_;
  bool ok_ = true;
};

std::optional<Step> step_from(const Json& json) {
  StepReader read(json);
  const std::string kind = text_or(json, "step");
  std::optional<Step> out;
  if (kind == "leaf") {
    LeafStep s{read.text(json, "name"), {}};
    for (const Json& item : read.list("places")) s.places.push_back(read.place(item));
    out = s;
  } else if (kind == "move") {
    MoveStep s;
    for (const Json& item : read.list("moves"))
      s.moves.push_back(
          {read.identity(item), read.path(item, "mount"), read.path(item, "from"), read.path(item, "to")});
    out = s;
  } else if (kind == "control") {
    ControlStep s{read.place(at_or_null(json, "place")), read.texts(at_or_null(json, "before")),
                  std::nullopt};
    if (const Json& after = at_or_null(json, "after"); !after.is_null()) s.after = read.texts(after);
    out = s;
  } else if (kind == "unit") {
    UnitStep s{read.text(json, "manager"), read.text(json, "unit"), read.list("before"), read.list("after")};
    for (const Json* list : {&s.before, &s.after})
      for (const Json& item : *list)
        if (!item.is_array() || item.size() != 2 || !item[0].is_string()) read.wrong();
    out = s;
  } else if (kind == "threads") {
    ThreadStep s;
    s.process = read.identity(json);
    const std::string setting = read.text(json, "setting");
    s.setting = setting == "nice"     ? ThreadSetting::nice
                : setting == "ionice" ? ThreadSetting::ionice
                                      : ThreadSetting::affinity;
    if (setting != thread_setting_name(s.setting)) read.wrong();
    for (const Json& item : read.list("threads"))
      s.threads.push_back(
          {{static_cast<pid_t>(read.whole(item, "tid", 1, INT32_MAX)), read.ticks(item, "start_ticks")},
           read.text(item, "before")});
    s.after = read.text(json, "after");
    out = s;
  } else if (kind == "oom_score_adj") {
    out = OomStep{read.identity(json), static_cast<int>(read.whole(json, "before", -1000, 1000)),
                  static_cast<int>(read.whole(json, "after", -1000, 1000))};
  }
  return read.ok() ? out : std::nullopt;
}

}  // namespace

Json to_json(const std::vector<Step>& steps) {
  Json list = Json::array();
  for (const auto& step : steps) list.push_back(step_json(step));
  return {{"schema", kSchema}, {"steps", list}};
}

Result<std::vector<Step>> steps_from_json(const Json& json) {
  const auto wrong = [](const std::string& what) { return bad_input("not a journal:", what); };
  const Json& schema = at_or_null(json, "schema");
  if (!schema.is_number_integer() || schema != kSchema) return wrong("unknown schema");
  const Json& list = at_or_null(json, "steps");
  if (!list.is_array()) return wrong("no steps");
  std::vector<Step> out;
  for (const Json& item : list) {
    auto step = step_from(item);
    if (!step) return wrong("step " + std::to_string(out.size() + 1));
    out.push_back(std::move(*step));
  }
  return out;
}

Result<Journal> Journal::open(int dir) {
  Journal out(dir);
  constexpr size_t kLargest = 64u << 20;
  const auto text = read_file_at(dir, kJournalFile, kLargest);
  if (!text && text.error().errnum == ENOENT) return out;
  if (!text) return std::unexpected(text.error());
  TRY(const Json json, parse_json(*text, kJournalFile));
  TRY(out.steps_, steps_from_json(json));
  return out;
}

Status Journal::write() const { return write_atomic(dir_, kJournalFile, dump_json(to_json(steps_)) + "\n"); }

Status Journal::add(Step step) {
  steps_.push_back(std::move(step));
  auto written = write();
  if (!written) steps_.pop_back();
  return written;
}

Status Journal::amend(Step step) {
  steps_.back() = std::move(step);
  return write();
}

Status Journal::cut(size_t count) {
  if (count < steps_.size()) steps_.resize(count);
  return write();
}

}  // namespace ffrtmp
