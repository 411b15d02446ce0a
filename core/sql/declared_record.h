#pragma once
// The declaration of a record, as a plugin sees it.

#include <array>
#include <memory>
#include <string_view>
#include <utility>

#include "sql/declaration.h"
#include "weir/abi.h"

namespace weir::sql {

class DeclaredRecord final : public abi::DeclaredRecord {
 public:
  explicit DeclaredRecord(std::shared_ptr<const Declaration> declaration) : declaration_(std::move(declaration)) {}

  abi::Text name() const override { return text(declaration_->name); }
  std::uint32_t size() const override { return static_cast<std::uint32_t>(declaration_->fields.size()); }
  abi::DeclaredField field(std::uint32_t index) const override {
    const auto& field = declaration_->fields[index];
    return {text(field.name), text(kTypes[static_cast<std::size_t>(field.type)]), field.required};
  }

 private:
  static constexpr std::array<std::string_view, 7> kTypes{"any",     "text", "integer", "number",
                                                          "boolean", "time", "json"};
  static abi::Text text(std::string_view t) { return {t.data(), t.size()}; }

  std::shared_ptr<const Declaration> declaration_;
};

}  // namespace weir::sql
