#pragma once

#include <string>

#include "agent/prepare.h"
#include "proc/child.h"
#include "sys/fd.h"

namespace ffrtmp::agent {

/// Writes the request of an attempt into its folder, for ffrtmp job --request: whoever finds it unlocked
/// knows that nobody is about to launch the attempt. An earlier one is taken back by that.
Status write_request(const std::string& folder, const Json& request);

/// Takes the request back, so that an ffrtmp which was told to launch it and has not begun yet starts
/// nothing. False: one has begun (it holds the lock), and what comes of it is to be waited for.
bool take_request_back(const std::string& folder);

/// Starts `ffrtmp job --request …`. Its standard streams are files: nothing of it holds on to us.
Result<Child> start_wrapper(const std::string& program, const std::string& folder,
                            const std::vector<std::string>& arguments);
/// What it said.
std::string wrapper_complaint(const std::string& folder);

/// Starts a short `ffrtmp VERB …` whose output nobody reads.
Result<Child> start_verb(const std::string& program, const std::vector<std::string>& arguments);

/// The ffrtmp that belongs to this agent: beside it.
Result<std::string> wrapper_program();

}  // namespace ffrtmp::agent
