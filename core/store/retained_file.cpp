#include "store/retained_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "store/encoding.h"
#include "store/piece.h"

namespace weir::store {

namespace {

constexpr std::uint64_t kOwnPiece = 64 * 1024;  ///< larger content is written from where it is, not packed
constexpr std::size_t kBuffer = 1024 * 1024;
constexpr std::uint64_t kInMemory = 8ULL << 20;  ///< larger content is not read into memory
constexpr std::uint64_t kThisFile = 1;           ///< the segment that entries name

/// What stands before the packed entries of a piece.
struct Head {
  std::vector<std::pair<std::uint32_t, std::uint64_t>> places;  ///< connection, sequence of the first entry there
  std::uint32_t count = 0;
  std::size_t size = 0;
};

Head read_head(std::string_view bytes) {
  Head head;
  Decoder in(bytes);
  for (auto left = in.count(2); left > 0; --left) {
    const auto connection = static_cast<std::uint32_t>(in.varint());
    head.places.emplace_back(connection, in.varint());
  }
  head.count = static_cast<std::uint32_t>(in.varint());
  head.size = bytes.size() - in.left();
  return head;
}

/// Calls visit(where its bytes begin, header) for each piece.
template <typename Visit>
void for_each_piece(const File& file, std::uint64_t end, Visit visit) {
  std::array<char, kPieceHeader> bytes{};
  for (std::uint64_t at = 0; at < end;) {
    const auto header = file.read(at, bytes.data(), kPieceHeader) == kPieceHeader ? get_piece_header(bytes.data())
                                                                                  : std::optional<PieceHeader>();
    if (!header || at + kPieceHeader > end || header->size > end - at - kPieceHeader) {
      throw Malformed(fmt::format("no piece begins at offset {}", at));
    }
    if (!visit(at + kPieceHeader, *header)) return;
    at += kPieceHeader + header->size;
  }
}

std::string read_piece(const File& file, std::uint64_t at, const PieceHeader& header) {
  std::string bytes(header.size, '\0');
  if (file.read(at, bytes.data(), bytes.size()) != bytes.size() || crc32c(bytes) != header.crc) {
    throw Malformed(fmt::format("the {} bytes at offset {} are not what was written", header.size, at));
  }
  return bytes;
}

/// Gives the bytes of a piece to `take`, block by block, and then checks them.
template <typename Take>
void copy_piece(const File& file, std::uint64_t at, std::uint64_t size, Take take) {
  std::array<char, kPieceHeader> bytes{};
  const auto header = at >= kPieceHeader && file.read(at - kPieceHeader, bytes.data(), kPieceHeader) == kPieceHeader
                          ? get_piece_header(bytes.data())
                          : std::optional<PieceHeader>();
  if (!header || header->size != size || header->kind != kContentPiece) {
    throw Malformed(fmt::format("no content of {} bytes begins at offset {}", size, at));
  }
  std::string block(std::min<std::uint64_t>(size, kBuffer), '\0');
  std::uint32_t crc = 0;
  for (std::uint64_t done = 0; done < size;) {
    const auto got = file.read(at + done, block.data(), std::min<std::uint64_t>(block.size(), size - done));
    if (got == 0) break;
    crc = crc32c({block.data(), got}, crc);
    take(std::string_view(block.data(), got));
    done += got;
  }
  if (crc != header->crc) throw Malformed(fmt::format("the {} bytes at offset {} are not what was written", size, at));
}

/// Content that an entry names, brought where an epoch can name it.
void bring(abi::Item& item, const File& file, Arena& arena, ContentFiles& content) {
  const auto at = external_of(item).offset;
  if (item.size <= kInMemory) {
    auto* to = arena.allocate(item.size);
    item.data = to;
    item.flags &= static_cast<std::uint16_t>(~abi::kExternal);
    return copy_piece(file, at, item.size,
                      [&](std::string_view bytes) { to = std::copy(bytes.begin(), bytes.end(), to); });
  }
  const auto writer = content.writer();
  copy_piece(file, at, item.size, [&](std::string_view bytes) { writer->append(bytes); });
  item.data = static_cast<const char*>(static_cast<const void*>(arena.add(writer->finish())));
}

}  // namespace

void RetainedFileWriter::append(const RetainedBatch& batch, std::vector<KeptRange>& kept) {
  for (std::uint32_t i = 0; i < batch.count; ++i) {
    const auto& item = batch.batch->items[batch.offset + i];
    if (item.size > kLargestKept) {
      put_entries(batch, kept);  // those of a piece follow each other
      continue;
    }
    if (packer_.full()) put_entries(batch, kept);
    if (item.size > kOwnPiece || (item.flags & abi::kExternal) != 0) {
      const auto name = put_content(item);
      packer_.add(i, item, &name);
    } else {
      packer_.add(i, item, nullptr);
    }
  }
  put_entries(batch, kept);
}

ContentName RetainedFileWriter::put_content(const abi::Item& item) {
  flush();
  const auto at = end_ + kPieceHeader;
  PieceHeader header{item.size, 0, kContentPiece};
  if ((item.flags & abi::kExternal) == 0) {
    header.crc = crc32c({item.data, item.size});
    file_->write(at, {item.data, item.size});
  } else {
    const auto& external = external_of(item);
    copied_.resize(std::min<std::uint64_t>(item.size, kBuffer));
    for (std::uint64_t done = 0; done < item.size;) {
      const auto got = external.file->read(external.offset + done, copied_.data(),
                                           std::min<std::uint64_t>(copied_.size(), item.size - done));
      if (got == 0) throw IoError("content that is queued ends too early: run `weir check`");
      header.crc = crc32c({copied_.data(), got}, header.crc);
      file_->write(at + done, {copied_.data(), got});
      done += got;
    }
  }
  char bytes[kPieceHeader];
  put_piece_header(bytes, header);
  file_->write(end_, {bytes, kPieceHeader});
  end_ = at + item.size;
  return {kThisFile, at, item.size};
}

void RetainedFileWriter::put_entries(const RetainedBatch& batch, std::vector<KeptRange>& kept) {
  if (packer_.empty()) return;
  const auto packed = packer_.finish();
  const auto begin = buffer_.size();
  buffer_.resize(begin + kPieceHeader);
  append_varint(buffer_, batch.places.size());
  for (const auto& [connection, first] : batch.places) {
    append_varint(buffer_, connection);
    append_varint(buffer_, first + packed.first);
  }
  append_varint(buffer_, packed.count);
  buffer_.append(packed.blob);
  const auto bytes = std::string_view(buffer_).substr(begin + kPieceHeader);
  put_piece_header(buffer_.data() + begin, {bytes.size(), crc32c(bytes), kEntriesPiece});
  for (const auto& [connection, first] : batch.places) {
    auto range =
        std::find_if(kept.begin(), kept.end(), [&](const auto& each) { return each.connection == connection; });
    if (range == kept.end()) range = kept.insert(kept.end(), {connection, first + packed.first, 0});
    range->next = first + packed.first + packed.count;
  }
  if (buffer_.size() >= kBuffer) flush();
}

void RetainedFileWriter::flush() {
  if (buffer_.empty()) return;
  file_->write(end_, buffer_);
  end_ += buffer_.size();
  buffer_.clear();
}

void RetainedFileWriter::go_back(std::uint64_t end) {
  if (!packer_.empty()) static_cast<void>(packer_.finish());
  buffer_.clear();
  end_ = end;
  file_->truncate(end);
}

BatchRef read_retained(const File& file, std::uint64_t end, std::uint32_t connection, std::uint64_t sequence,
                       ContentFiles& content) {
  std::shared_ptr<Batch> batch;
  for_each_piece(file, end, [&](std::uint64_t at, const PieceHeader& header) {
    if (header.kind != kEntriesPiece) return true;
    // The places stand in front: most pieces need not be read.
    std::string bytes(std::min<std::uint64_t>(header.size, 4096), '\0');
    bytes.resize(file.read(at, bytes.data(), bytes.size()));
    auto head = read_head(bytes);
    const auto place = std::find_if(head.places.begin(), head.places.end(), [&](const auto& each) {
      return each.first == connection && sequence >= each.second && sequence - each.second < head.count;
    });
    if (place == head.places.end()) return true;
    bytes = read_piece(file, at, header);
    batch = std::make_shared<Batch>();
    batch->items.assign(1, kAbsent);
    auto arena = std::make_shared<Arena>();
    unpack(std::string_view(bytes).substr(head.size), place->second, head.count, sequence, batch->items, *arena,
           [](std::uint64_t) { return nullptr; });
    if ((batch->items[0].flags & abi::kExternal) != 0) bring(batch->items[0], file, *arena, content);
    batch->arenas.push_back(std::move(arena));
    return false;
  });
  return batch;
}

void check_retained(const File& file, std::uint64_t end, const std::vector<KeptRange>& kept) {
  std::map<std::uint64_t, std::uint64_t> contents;  // offset, size
  std::map<std::uint32_t, std::pair<std::uint64_t, std::uint64_t>> found;
  for_each_piece(file, end, [&](std::uint64_t at, const PieceHeader& header) {
    if (header.kind != kEntriesPiece) {
      copy_piece(file, at, header.size, [](std::string_view) {});
      contents[at] = header.size;
      return true;
    }
    const auto bytes = read_piece(file, at, header);
    const auto head = read_head(bytes);
    for (const auto& [connection, first] : head.places) {
      found.try_emplace(connection, first, 0).first->second.second = first + head.count;
    }
    visit_contents(std::string_view(bytes).substr(head.size), 0, head.count,
                   [&](std::uint64_t, const ContentName& name) {
                     const auto piece = contents.find(name.offset);
                     if (name.segment != kThisFile || piece == contents.end() || piece->second != name.size) {
                       throw Malformed(fmt::format("an entry names content at offset {}, where none is", name.offset));
                     }
                   });
    return true;
  });
  const auto as_said = [&](const KeptRange& range) {
    const auto there = found.find(range.connection);
    return there != found.end() && there->second == std::pair(range.first, range.next);
  };
  if (found.size() != kept.size() || !std::all_of(kept.begin(), kept.end(), as_said)) {
    throw Malformed("it holds other FlowFiles than it should");
  }
}

}  // namespace weir::store
