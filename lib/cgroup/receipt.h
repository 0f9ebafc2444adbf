#pragma once

#include <string>
#include <vector>

#include "cgroup/limit.h"
#include "sys/json.h"

namespace ffrtmp {

/// How much of what was asked for is so.
enum class Strength {
  enforced,  ///< the kernel holds the workload to it; read back
  advisory,  ///< something weaker stands in for it; read back
  none,      ///< nothing could be done
};
std::string_view strength_name(Strength strength);

/// A value for people and for machines ("1.5G", "1610612736"); both empty: no value.
struct ShownValue {
  std::string text, raw;
  bool operator==(const ShownValue&) const = default;
};
ShownValue shown(LimitKind kind, const LimitValue& value);

/// One line of the account of what was limited.
struct ReceiptRow {
  std::string name;  ///< limit_name(), or the name of a measure of our own ("thread fit")
  ShownValue asked;
  ShownValue in_force;    ///< read back where it was set; empty when nothing is in force
  ShownValue effective;   ///< the minimum over it and all ancestors; empty when there is none
  std::string mechanism;  ///< "cgroup v2 cpu.max", "setpriority", "none", …
  Strength strength = Strength::none;
  std::string why;     ///< why it is weaker than asked, or what to know about it; may be empty
  std::string origin;  ///< "flag", "profile live"
};

/// The whole account, with where the workload lives.
struct Receipt {
  std::string placement;           ///< placement_name()
  std::string cgroup;              ///< path of the leaf; empty without one
  std::string unit;                ///< systemd unit whose stop ends the job
  std::vector<std::string> notes;  ///< what else the operator should know, a sentence each
  std::vector<ReceiptRow> rows;
};

Json to_json(const Receipt& receipt);
Receipt receipt_from_json(const Json& json);

}  // namespace ffrtmp
