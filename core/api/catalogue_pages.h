#pragma once
// /datasets: what the flows write, for those who use it, and as documents for other catalogues.

#include <string>

#include "api/catalogue.h"
#include "api/router.h"

namespace weir::api {

void add_catalogue_pages(Router& router, Catalogue& catalogue, const std::string& version);

}  // namespace weir::api
