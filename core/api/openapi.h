#pragma once
// The API's description, as OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.0), made from its routes.

#include <boost/json.hpp>
#include <string>

#include "api/router.h"

namespace weir::api {

/// Every route, and nothing else. What a route takes and answers beyond its parameters is in docs/api.md.
boost::json::object openapi(const Router& router, const std::string& version);

}  // namespace weir::api
