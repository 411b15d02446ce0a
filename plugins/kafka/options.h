#pragma once
// The options of librdkafka that an author passes through, checked while the flow is validated.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::kafka {

using Options = std::vector<std::pair<std::string, std::string>>;

enum class Role { consumer, producer };

/// Throws Misconfigured for an option that librdkafka does not know (with the nearest name), that is for the other
/// role, that has no such value, or that would break what the processor promises.
void check_options(const Options& options, Role role);

/// Throws Misconfigured for options of a producer that exclude each other, or what the processor sets beside them
/// (`own`), as librdkafka judges it when a client is made: one is, that talks to nobody.
void check_together(const Options& options, const Options& own);

/// The name in `names` that is most like this one; empty if none is.
std::string nearest(std::string_view name, const std::vector<std::string>& names);

}  // namespace weir::kafka
