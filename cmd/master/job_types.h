#pragma once

#include <map>
#include <string>

#include "app.h"

namespace ffrtmp::master {

/// The job types that nodes have declared, with the parameters each takes.
class JobTypes {
 public:
  /// From the database, at most two seconds old.
  static Result<JobTypes> current(App& app);
  static void forget();
  /// An unknown type is an error with the nearest known one, unless no node has declared any yet.
  void check(const std::string& type, const Json& document, const std::string& path,
             FieldErrors& errors) const;
  const std::map<std::string, Json>& all() const { return *types_; }

 private:
  std::shared_ptr<const std::map<std::string, Json>> types_;
};

}  // namespace ffrtmp::master
