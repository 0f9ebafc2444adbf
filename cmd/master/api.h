#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app.h"

namespace ffrtmp::master {

/// One request under way, with what was found out about it.
struct Call {
  App& app;
  std::shared_ptr<net::Exchange> exchange;
  net::Request& request;
  Principal who;
  std::vector<std::string> path;  ///< the parts that the pattern left open
  std::string id;                 ///< the request's id
  std::string route;
  int64_t began_ms = 0;
  bool entered = false;  ///< counted among the key's open requests
};

/// Roles that may use a route.
enum Allow : unsigned { anybody = 0, admin = 1, submit = 2, worker = 4, node = 8 };

/// No value: the handler answers later through `finish`.
using Answer = std::optional<net::Response>;
struct Route {
  const char* method;
  const char* pattern;  ///< "/api/v1/jobs/{id}"
  unsigned allow;
  Answer (*handle)(std::shared_ptr<Call>);
  const char* summary;
  const char* request;  ///< name of the request's schema in the OpenAPI document, or Bytes; "" without a body
  const char* response;  ///< of the answer's, or Text, Octets, Metrics
};
const std::vector<Route>& routes();

/// Entry point of the server.
void serve(App& app, std::shared_ptr<net::Exchange> exchange);
/// Sends the answer: adds the request id, an ETag, compression; counts it.
void finish(const std::shared_ptr<Call>& call, net::Response response);

const char* title_of(int status);
net::Response json(int status, const Json& body);
/// RFC 9457. `errors` name the fields.
net::Response problem(int status, const std::string& title, const std::string& detail = {},
                      const FieldErrors& errors = {});
/// An error of the store or of the input in the terms of HTTP: 404, 409, 422, 500, 503 with Retry-After, 507.
net::Response failure(const Error& error);
/// 409 to an agent that shares its identity with another one, which was there first.
net::Response second_agent();
/// The body as JSON; no value: `refused` holds the answer.
std::optional<Json> body_json(const Call& call, net::Response& refused);

/// Whole query parameter; `fallback` when absent, no value and an error when it is not a number in range.
std::optional<int64_t> number_param(const Call& call, const char* name, int64_t least, int64_t most,
                                    int64_t fallback, FieldErrors& errors);
/// Query parameters outside `known` are errors.
void check_params(const Call& call, const std::vector<std::string>& known, FieldErrors& errors);

/// Who holds this token. Cached for two seconds, so that a revocation elsewhere is obeyed within that time.
struct Authentication {
  int status = 0;  ///< 0 welcome, 401, 503
  Principal who;
  std::string detail;
};
Authentication authenticate(App& app, const net::Request& request);
/// "ffk_ID_SECRET" for keys, "ffn_ID_SECRET" for nodes.
struct Token {
  std::string id, secret, text;
};
Token make_token(const char* prefix, const std::string& id_prefix);

// The handlers, by file.
Answer submit_jobs(std::shared_ptr<Call>), list_jobs(std::shared_ptr<Call>), get_job(std::shared_ptr<Call>),
    delete_job(std::shared_ptr<Call>), patch_job(std::shared_ptr<Call>), cancel_job(std::shared_ptr<Call>),
    pause_job(std::shared_ptr<Call>), resume_job(std::shared_ptr<Call>), retry_job(std::shared_ptr<Call>),
    why_job(std::shared_ptr<Call>), job_attempts(std::shared_ptr<Call>), job_history(std::shared_ptr<Call>),
    get_logs(std::shared_ptr<Call>), put_logs(std::shared_ptr<Call>);
Answer list_inputs(std::shared_ptr<Call>), get_input(std::shared_ptr<Call>), put_input(std::shared_ptr<Call>),
    list_artifacts(std::shared_ptr<Call>), get_artifact(std::shared_ptr<Call>),
    announce_artifact(std::shared_ptr<Call>), put_artifact(std::shared_ptr<Call>);
Answer register_node(std::shared_ptr<Call>), update_node(std::shared_ptr<Call>),
    rotate_node_token(std::shared_ptr<Call>), list_nodes(std::shared_ptr<Call>),
    get_node(std::shared_ptr<Call>), remove_node(std::shared_ptr<Call>), change_node(std::shared_ptr<Call>),
    heartbeat(std::shared_ptr<Call>), lease(std::shared_ptr<Call>), accept_jobs(std::shared_ptr<Call>),
    post_results(std::shared_ptr<Call>), post_progress(std::shared_ptr<Call>),
    list_types(std::shared_ptr<Call>);
Answer create_key(std::shared_ptr<Call>), list_keys(std::shared_ptr<Call>), revoke_key(std::shared_ptr<Call>),
    create_webhook(std::shared_ptr<Call>), list_webhooks(std::shared_ptr<Call>),
    delete_webhook(std::shared_ptr<Call>), replay_webhook(std::shared_ptr<Call>);
Answer events(std::shared_ptr<Call>), health(std::shared_ptr<Call>), ready(std::shared_ptr<Call>),
    metrics(std::shared_ptr<Call>), openapi(std::shared_ptr<Call>);

}  // namespace ffrtmp::master
