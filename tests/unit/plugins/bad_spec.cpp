// Declares a property twice.
#include <string>

#include "weir/plugin.h"

namespace {
struct Settings {
  std::string path;
};
const auto spec = weir::Spec<Settings>{"Twice", "Says it twice."}
                      .property("path", &Settings::path, {.help = "Where."})
                      .property("path", &Settings::path, {.help = "Where, again."});
class Twice final : public weir::Processor {
 public:
  explicit Twice(Settings) {}
};
}  // namespace

WEIR_PLUGIN(weir::type<Twice>(spec))
