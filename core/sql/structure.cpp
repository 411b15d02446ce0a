#include "sql/structure.h"

#include <simdjson.h>

#include <algorithm>
#include <bit>
#include <new>

namespace weir::sql {

struct Structure::Parser {
  std::unique_ptr<simdjson::internal::dom_parser_implementation> stages;
};

Structure::Structure() : parser_(std::make_unique<Parser>()) {}
Structure::~Structure() = default;
Structure::Structure(Structure&&) noexcept = default;
Structure& Structure::operator=(Structure&&) noexcept = default;

const char* Structure::index(std::string_view text) {
  constexpr std::size_t kSmallest = 2 * 1024;
  constexpr std::size_t kKept = 16 * 1024 * 1024;
  begin_ = end_ = nullptr;
  if (text.size() >= simdjson::SIMDJSON_MAXSIZE_BYTES) return "is larger than 4 GiB";
  // simdjson takes four bytes of index for each byte of text: what one huge record needed is given back.
  if (text.size() > capacity_ || (capacity_ > kKept && text.size() <= kKept)) {
    capacity_ =
        std::min<std::size_t>(std::bit_ceil(std::max(text.size(), kSmallest)), simdjson::SIMDJSON_MAXSIZE_BYTES);
    parser_->stages.reset();
    if (simdjson::get_active_implementation()->create_dom_parser_implementation(capacity_, 1, parser_->stages) !=
        simdjson::SUCCESS) {
      capacity_ = 0;
      throw std::bad_alloc();
    }
  }
  auto& stages = *parser_->stages;
  const auto error =
      stages.stage1(reinterpret_cast<const std::uint8_t*>(text.data()), text.size(), simdjson::stage1_mode::regular);
  switch (error) {
    case simdjson::SUCCESS:
      begin_ = stages.structural_indexes.get();
      end_ = begin_ + stages.n_structural_indexes;
      return nullptr;
    case simdjson::EMPTY:
      return nullptr;
    case simdjson::UTF8_ERROR:
      return "is not valid UTF-8";
    case simdjson::UNCLOSED_STRING:
      return "has a string that does not end";
    case simdjson::UNESCAPED_CHARS:
      return "has a string that does not end on its line, or a control character in a string";
    default:
      return simdjson::error_message(error);
  }
}

}  // namespace weir::sql
