#pragma once

#include <string>
#include <vector>

namespace ffrtmp {

/// This process's environment: NAME=VALUE.
std::vector<std::string> own_environment();
/// Reads a variable that was meant for this process alone, and takes it away from what it starts; "" where
/// there is none. Not thread-safe.
std::string take_variable(const char* name);
/// Where the service `name` keeps its state when nobody says: systemd's $STATE_DIRECTORY, for root
/// /var/lib/NAME, else ~/.local/state/NAME; "" without a home.
std::string service_state_folder(const std::string& name);

}  // namespace ffrtmp
