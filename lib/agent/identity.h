#pragma once

#include <cstdint>
#include <string>

#include "sys/result.h"

namespace ffrtmp::agent {

/// Who this node is to its masters. Kept in STATE_DIR/identity.json (0600): it is the node's own, whatever
/// its host is called.
struct Identity {
  std::string name;   ///< unique in the fleet
  std::string nonce;  ///< of the registration: a repeated one is the same node
  std::string id, token;
  bool registered() const { return !token.empty(); }
};

/// The identity of a state folder. Without one, a new name and nonce are made and kept before anybody hears
/// of them. Errors: it was made on another machine or in another folder, so that a copy of a node never
/// speaks in the name of the original.
Result<Identity> load_identity(const std::string& state_dir, const std::string& wanted_name);
Status save_identity(const std::string& state_dir, const Identity& identity);

/// Something that tells this host from others (a digest of machine-id), not its name.
std::string machine_mark();

}  // namespace ffrtmp::agent
