#pragma once

#include <string>

#include "sys/result.h"

namespace ffrtmp::client {

/// Whether keys may be sent there: https://HOST:PORT, and plain http to loopback only; no path, no user.
/// Takes a "/" at its end away.
Status check_master_url(std::string& url);

}  // namespace ffrtmp::client
