// Declares a property with a key that belongs to the flow.
#include <string>

#include "weir/plugin.h"

namespace {
struct Settings {
  std::string to;
};
const auto spec = weir::Spec<Settings>{"Mailer", "Sends mail."}.property("to", &Settings::to, {.help = "To whom."});
class Mailer final : public weir::Processor {
 public:
  explicit Mailer(Settings) {}
};
}  // namespace

WEIR_PLUGIN(weir::type<Mailer>(spec))
