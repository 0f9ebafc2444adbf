#pragma once

#include <string>
#include <vector>

#include "profile.h"
#include "sys/json.h"

namespace ffrtmp::fleet {

/// Sends a request and reads its JSON. An answer of 400 and above is an error whose message names the fields.
Result<Json> ask(client::HttpClient& http, const std::string& method, const std::string& path,
                 const Json& body = {});
/// Columns under their titles, as wide as they need.
void print_table(const std::vector<std::string>& titles, const std::vector<std::vector<std::string>>& rows);
/// The value of a field for people: "-" when absent.
std::string cell(const Json& object, const char* field);
/// Percent-encodes one segment of a path or a query value.
std::string encode(const std::string& text);

}  // namespace ffrtmp::fleet
