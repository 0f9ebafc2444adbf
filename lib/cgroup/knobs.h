#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cgroup/host.h"
#include "cgroup/limit.h"
#include "sys/result.h"

namespace ffrtmp {

/// A control file and a text for it.
struct ControlText {
  std::string file, text;
  bool operator==(const ControlText&) const = default;
};

/// The control files of one cgroup dialect: how a limit is written, and what is in force in one cgroup.
/// Implementations: v2.cc, v1.cc. Stateless; directories are open descriptors of cgroups.
class Knobs {
 public:
  virtual ~Knobs() = default;
  /// Errors: the write's errno, worded with what it means here.
  virtual Status write(int dir, const Limit& limit) const = 0;
  /// What this cgroup has in force for the limit's kind (and its disk); nullopt where there is no limit.
  virtual Result<std::optional<LimitValue>> read(int dir, const std::string& prefix,
                                                 const Limit& like) const = 0;
  /// What write() would change, as it is now: writing these texts in their order puts it back. Only the line
  /// of the limit's disk where a file has one for each. Errors: a file is not there.
  virtual Result<std::vector<ControlText>> snapshot(int dir, const Limit& like) const = 0;
  /// The file(s) behind a kind of limit, for the receipt.
  virtual std::string file(LimitKind kind) const = 0;
  /// A reason why a value that reads back as asked still has no effect on this host; empty when it has.
  virtual std::string without_effect(LimitKind kind) const = 0;
};

const Knobs& v2_knobs();
const Knobs& v1_knobs();
inline const Knobs& knobs(Dialect dialect) { return dialect == Dialect::v2 ? v2_knobs() : v1_knobs(); }

/// The tighter of two values of one kind (none is no limit). Weights, and what has no order, give the first.
std::optional<LimitValue> tighter(std::optional<LimitValue> a, std::optional<LimitValue> b);

/// What the limit comes to at `dir`, `depth` levels below the top of its mount: the minimum over all
/// ancestors.
Result<std::optional<LimitValue>> effective_limit(const Knobs& with, int dir, int depth, const Limit& like);

}  // namespace ffrtmp
