#include "cgroup/receipt.h"

namespace ffrtmp {

std::string_view strength_name(Strength strength) {
  switch (strength) {
    case Strength::enforced: return "enforced";
    case Strength::advisory: return "advisory";
    case Strength::none: return "none";
  }
  return "";
}

ShownValue shown(LimitKind kind, const LimitValue& value) {
  return {format_limit(kind, value), v2_text(value)};
}

namespace {

Json value_json(const ShownValue& value) {
  if (value == ShownValue{}) return nullptr;
  return {{"text", value.text}, {"raw", value.raw}};
}

ShownValue value_from(const Json& json) { return {text_or(json, "text"), text_or(json, "raw")}; }

}  // namespace

Json to_json(const Receipt& receipt) {
  Json rows = Json::array();
  for (const auto& row : receipt.rows)
    rows.push_back({{"limit", row.name},
                    {"asked", value_json(row.asked)},
                    {"in_force", value_json(row.in_force)},
                    {"effective", value_json(row.effective)},
                    {"mechanism", row.mechanism},
                    {"strength", strength_name(row.strength)},
                    {"why", row.why},
                    {"origin", row.origin}});
  return {{"placement", receipt.placement},
          {"cgroup", receipt.cgroup},
          {"unit", receipt.unit},
          {"notes", receipt.notes},
          {"limits", rows}};
}

Receipt receipt_from_json(const Json& json) {
  Receipt out;
  out.placement = text_or(json, "placement");
  out.cgroup = text_or(json, "cgroup");
  out.unit = text_or(json, "unit");
  if (const Json& notes = at_or_null(json, "notes"); notes.is_array())
    for (const auto& note : notes)
      if (note.is_string()) out.notes.push_back(note);
  const Json& limits = at_or_null(json, "limits");
  if (!limits.is_array()) return out;
  for (const auto& item : limits) {
    if (!item.is_object()) continue;
    ReceiptRow row;
    row.name = text_or(item, "limit");
    row.asked = value_from(at_or_null(item, "asked"));
    row.in_force = value_from(at_or_null(item, "in_force"));
    row.effective = value_from(at_or_null(item, "effective"));
    row.mechanism = text_or(item, "mechanism");
    const std::string strength = text_or(item, "strength");
    row.strength = strength == "enforced"   ? Strength::enforced
                   : strength == "advisory" ? Strength::advisory
                                            : Strength::none;
    row.why = text_or(item, "why");
    row.origin = text_or(item, "origin");
    out.rows.push_back(std::move(row));
  }
  return out;
}

}  // namespace ffrtmp
