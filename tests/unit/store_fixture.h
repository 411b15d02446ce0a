#pragma once
// What the store's tests share: a directory that goes away, and batches made of text.

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "store/batch.h"
#include "store/store.h"

namespace weir::store::test {

/// A directory of the test's own, removed at the end.
class Folder {
 public:
  explicit Folder(const std::filesystem::path& parent = std::filesystem::temp_directory_path()) {
    auto name = (parent / "weir-store-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

using Attributes = std::vector<std::pair<std::string, std::string>>;

/// Collects FlowFiles into a batch.
class BatchBuilder {
 public:
  BatchBuilder& add(std::string_view content, const Attributes& attributes = {}, std::int64_t born = 0,
                    std::uint32_t records = 1) {
    const auto text = arena_->copy(content);
    batch_->items.push_back({text.data, text.size, nullptr, born, records, 0, 0});
    set(attributes);
    return *this;
  }
  BatchBuilder& add(External external, const Attributes& attributes = {}) {
    const auto size = external.size;
    const auto* kept = arena_->add(std::move(external));
    batch_->items.push_back({reinterpret_cast<const char*>(kept), size, nullptr, 0, 1, 0, abi::kExternal});
    set(attributes);
    return *this;
  }
  BatchRef build() {
    batch_->arenas.push_back(arena_);
    return batch_;
  }

 private:
  void set(const Attributes& attributes) {
    auto& item = batch_->items.back();
    auto* list = reinterpret_cast<abi::Attribute*>(
        arena_->allocate(attributes.size() * sizeof(abi::Attribute), alignof(abi::Attribute)));
    for (std::size_t i = 0; i < attributes.size(); ++i) {
      list[i] = {arena_->copy(attributes[i].first), arena_->copy(attributes[i].second)};
    }
    item.attributes = list;
    item.attribute_count = static_cast<std::uint16_t>(attributes.size());
  }
  std::shared_ptr<Arena> arena_ = std::make_shared<Arena>();
  std::shared_ptr<Batch> batch_ = std::make_shared<Batch>();
};

inline BatchRef batch_of(std::initializer_list<std::string_view> contents) {
  BatchBuilder builder;
  for (const auto content : contents) builder.add(content);
  return builder.build();
}

/// A whole batch as the entries from `first` on.
inline Segment segment(std::uint64_t first, BatchRef batch) {
  const auto count = static_cast<std::uint32_t>(batch->items.size());
  return {first, count, 0, std::move(batch)};
}

inline std::string content_of(const abi::Item& item) {
  if ((item.flags & abi::kExternal) == 0) return {item.data, item.size};
  const auto& external = external_of(item);
  std::string content(external.size, '\0');
  content.resize(external.file->read(external.offset, content.data(), external.size));
  return content;
}

inline Attributes attributes_of(const abi::Item& item) {
  Attributes attributes;
  for (std::size_t i = 0; i < item.attribute_count; ++i) {
    const auto& [name, value] = item.attributes[i];
    attributes.emplace_back(std::string(name.data, name.size), std::string(value.data, value.size));
  }
  return attributes;
}

inline Options options_for(const std::filesystem::path& directory) {
  Options options;
  options.directory = directory;
  return options;
}

}  // namespace weir::store::test
