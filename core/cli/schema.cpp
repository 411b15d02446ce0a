#include "cli/schema.h"

#include <fmt/core.h>

#include "cli/validate.h"
#include "flow/schema.h"

namespace weir::cli {

int run_schema(const std::vector<std::string>& plugins) {
  plugin::Registry registry;
  load_plugins(plugins, registry);
  fmt::print("{}", flow::schema(registry));
  return 0;
}

}  // namespace weir::cli
