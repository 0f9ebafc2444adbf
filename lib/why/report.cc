#include "why/report.h"

#include <cmath>

#include "cgroup/limit.h"
#include "sys/text.h"

namespace ffrtmp {

std::string_view certainty_name(Certainty certainty) {
  return certainty == Certainty::certain ? "certain" : "likely";
}

std::string percent_text(double share) {
  if (share > 0 && share < 0.01) return "under 1 %";
  return std::to_string(std::llround(share * 100)) + " %";
}

std::string option_of(const Cause& cause) {
  const auto kind = limit_kind(cause.limit);
  if (!kind || cause.value.empty()) return "";
  return "--" + std::string(limit_flag(*kind)) + " " + shell_quote(cause.value) +
         (cause.also.empty() ? "" : " " + cause.also);
}

std::string remedy_of(const WhyReport& report, const Cause& cause) {
  const std::string option = option_of(cause);
  return option.empty() || report.over ? "" : "ffrtmp set " + shell_quote(report.job_id) + " " + option;
}

std::string why_text(const WhyReport& report) {
  std::string out = printable("job " + report.job_id + ": " + report.sentence) + "\n";
  const auto line = [&](const std::string& name, const std::string& text) {
    constexpr size_t kColumn = 12;
    std::string left = "  " + name;
    left.resize(std::max(left.size() + 1, kColumn), ' ');
    out += left + printable(text) + "\n";
  };
  for (const auto& cause : report.causes) {
    line(cause.certainty == Certainty::certain ? "because" : "likely", cause.name + ": it " + cause.text);
    const std::string option = option_of(cause), remedy = remedy_of(report, cause);
    if (!option.empty())
      line(report.over ? "next time" : "try",
           (report.over ? option : remedy) + (cause.caveat.empty() ? "" : "   # " + cause.caveat));
  }
  for (const auto& evidence : report.evidence) line(evidence.name, evidence.text);
  for (size_t i = 0; i < report.log_tail.size(); i++) line(i == 0 ? "log" : "", report.log_tail[i]);
  return out;
}

Json to_json(const WhyReport& report) {
  const auto text = [](const std::string& value) { return value.empty() ? Json(nullptr) : Json(value); };
  Json causes = Json::array();
  for (const auto& cause : report.causes)
    causes.push_back({{"cause", cause.name},
                      {"certainty", certainty_name(cause.certainty)},
                      {"share", cause.share},
                      {"text", cause.text},
                      {"limit", text(cause.limit)},
                      {"value", text(cause.value)},
                      {"enough", cause.value.empty() ? Json(nullptr) : Json(cause.enough)},
                      {"option", text(option_of(cause))},
                      {"command", text(remedy_of(report, cause))}});
  Json evidence = Json::object();
  for (const auto& [name, what] : report.evidence) evidence[name] = what;
  return {{"schema", 1},
          {"job_id", report.job_id},
          {"state", report.state},
          {"sentence", report.sentence},
          {"causes", causes},
          {"evidence", evidence},
          {"figures", report.figures},
          {"log_tail", report.log_tail}};
}

}  // namespace ffrtmp
