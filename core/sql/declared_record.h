#pragma once
// The declaration of a record, as a plugin sees it.

#include <array>
#include <memory>
#include <string_view>
#include <utility>

#include "sql/declaration.h"
#include "weir/abi.h"
#include "weir/record.h"

namespace weir::sql {

/// Names of the FieldTypes.
inline constexpr std::array<std::string_view, 7> kTypeNames{"any",     "text", "integer", "number",
                                                            "boolean", "time", "json"};

class DeclaredRecord final : public abi::DeclaredRecord {
 public:
  explicit DeclaredRecord(std::shared_ptr<const Declaration> declaration) : declaration_(std::move(declaration)) {}

  abi::Text name() const override { return text(declaration_->name); }
  std::uint32_t size() const override { return static_cast<std::uint32_t>(declaration_->fields.size()); }
  abi::DeclaredField field(std::uint32_t index) const override {
    const auto& field = declaration_->fields[index];
    return {text(field.name), text(kTypeNames[static_cast<std::size_t>(field.type)]), field.required};
  }

 private:
  static abi::Text text(std::string_view t) { return {t.data(), t.size()}; }

  std::shared_ptr<const Declaration> declaration_;
};

class EmittedRecord final : public abi::EmittedRecord {
 public:
  explicit EmittedRecord(std::shared_ptr<const Declaration> declaration) : declaration_(std::move(declaration)) {}

  abi::Text name() const override { return text(declaration_->name); }
  std::uint32_t size() const override { return static_cast<std::uint32_t>(declaration_->fields.size()); }
  abi::EmittedField field(std::uint32_t index) const override {
    const auto& field = declaration_->fields[index];
    return {text(field.name), text(kTypeNames[static_cast<std::size_t>(field.type)]), text(field.format),
            field.required};
  }
  bool extra_allowed() const override { return declaration_->extra_allowed; }

 private:
  static abi::Text text(std::string_view t) { return {t.data(), t.size()}; }

  std::shared_ptr<const Declaration> declaration_;
};

}  // namespace weir::sql
