// A plugin outside Weir's tree: one processor, complete. docs/plugins.md explains it line by line.

#include <weir/plugin.h>
#include <zlib.h>

#include <array>
#include <cstdio>
#include <string>

namespace {

constexpr weir::Relationship success{"success", "With its checksum."};
constexpr weir::Relationship failure{"failure", "Larger than max_size."};
enum : std::uint32_t { kSuccess, kFailure };

struct Settings {
  std::string attribute = "content.crc32";
  std::uint64_t max_size = 64 * weir::MiB;
};

const auto spec =
    weir::Spec<Settings>{"Checksum", "Writes the content's CRC-32 into an attribute."}
        .property("attribute", &Settings::attribute, {.help = "The attribute to write."})
        .property("max_size", &Settings::max_size, {.help = "Larger content is rejected.", .unit = weir::Unit::bytes})
        .relationship(success)
        .relationship(failure)
        .keeps_record()
        .concurrent();

class Checksum final : public weir::Processor {
 public:
  explicit Checksum(Settings settings) : settings_(std::move(settings)) {}

  void process(weir::FlowFile file, weir::Session& session) override {
    if (file.size() > settings_.max_size) throw weir::Rejected("larger than max_size");
    std::array<char, 64 * weir::KiB> part;
    auto sum = crc32_z(0, nullptr, 0);
    for (std::uint64_t offset = 0; offset < file.size();) {  // also content that is too large for memory
      const auto size = file.read(offset, part.data(), part.size());
      sum = crc32_z(sum, reinterpret_cast<const Bytef*>(part.data()), size);
      offset += size;
    }
    char text[16];
    std::snprintf(text, sizeof text, "%08lx", sum);
    session.set(file, settings_.attribute, text);
    session.transfer(file, kSuccess);
  }

 private:
  Settings settings_;
};

}  // namespace

WEIR_PLUGIN(weir::type<Checksum>(spec))
