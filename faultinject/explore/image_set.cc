// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/image_set.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <fstream>

namespace fencepost {
namespace {

bool IsZero(const LineBytes& bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; });
}

// A recovery can tell a longer file from a shorter one, if only by zeros.
ImageHash HashOfSize(uint32_t file, uint64_t size) {
  const uint64_t both[] = {file, size};
  const XXH128_hash_t hash = XXH3_128bits(both, sizeof(both));
  return {hash.low64, hash.high64};
}

}  // namespace

ImageHash HashOfLine(LineId line, const LineBytes& bytes) {
  // Zeros hash to nothing, so that a file may grow by any length for free.
  if (IsZero(bytes)) return {};
  constexpr uint64_t kSpread = 0x9e3779b97f4a7c15;  // 2^64 over the golden ratio
  const XXH128_hash_t hash =
      XXH3_128bits_withSeed(bytes.data(), bytes.size(), line.number ^ line.file * kSpread);
  return {hash.low64, hash.high64};
}

Status ImageSet::AddFile(uint32_t file, const std::string& path,
                         const std::filesystem::path& initial) {
  if (files_.contains(file)) return Status::Ok();
  File& added = files_[file];
  added.path = path;
  added.created = initial.empty();
  hash_ ^= HashOfSize(file, 0);
  if (initial.empty()) return Status::Ok();
  std::ifstream in(initial, std::ios::binary);
  if (!in) return Status::IoError(fmt::format("open: {}", initial.string()));
  in.seekg(0, std::ios::end);
  added.bytes.resize(static_cast<size_t>(in.tellg()));
  in.seekg(0);
  in.read(reinterpret_cast<char*>(added.bytes.data()),
          static_cast<std::streamsize>(added.bytes.size()));
  if (!in) return Status::IoError(fmt::format("read: {}", initial.string()));
  hash_ ^= HashOfSize(file, 0);
  hash_ ^= HashOfSize(file, added.bytes.size());
  LineBytes line;
  for (uint64_t number = 0; number * kLineBytes < added.bytes.size(); ++number) {
    ReadLine({file, number}, &line);
    hash_ ^= HashOfLine({file, number}, line);
  }
  return Status::Ok();
}

void ImageSet::ReadLine(LineId line, LineBytes* bytes) const {
  bytes->fill(0);
  const auto found = files_.find(line.file);
  if (found == files_.end()) return;
  const std::vector<uint8_t>& all = found->second.bytes;
  const uint64_t offset = line.number * kLineBytes;
  if (offset >= all.size()) return;
  std::memcpy(bytes->data(), all.data() + offset, std::min(kLineBytes, all.size() - offset));
}

void ImageSet::WriteLine(LineId line, const LineBytes& bytes) {
  LineBytes old;
  ReadLine(line, &old);
  const auto found = files_.find(line.file);
  if (old == bytes || found == files_.end()) return;
  std::vector<uint8_t>& all = found->second.bytes;
  const uint64_t offset = line.number * kLineBytes;
  if (offset >= all.size()) return;
  const LineBytes written = InFile(line, bytes);
  if (old == written) return;
  if (remembered_) remembered_->try_emplace(line, old);
  std::memcpy(all.data() + offset, written.data(), std::min(kLineBytes, all.size() - offset));
  hash_ ^= HashOfLine(line, old);
  hash_ ^= HashOfLine(line, written);
  journal_.push_back(line);
}

void ImageSet::WriteBytes(uint32_t file, uint64_t offset, std::span<const uint8_t> bytes) {
  LineBytes line;
  while (!bytes.empty()) {
    const LineId id{file, offset / kLineBytes};
    const uint64_t into = offset % kLineBytes;
    const uint64_t part = std::min<uint64_t>(bytes.size(), kLineBytes - into);
    ReadLine(id, &line);
    std::memcpy(line.data() + into, bytes.data(), part);
    WriteLine(id, line);
    bytes = bytes.subspan(part);
    offset += part;
  }
}

void ImageSet::WriteZeros(uint32_t file, uint64_t offset, uint64_t length) {
  static constexpr std::array<uint8_t, 4096> kZeros{};
  while (length > 0) {
    const uint64_t part = std::min<uint64_t>(length, kZeros.size());
    WriteBytes(file, offset, std::span(kZeros).first(part));
    offset += part;
    length -= part;
  }
}

void ImageSet::Resize(uint32_t file, uint64_t size) {
  const auto found = files_.find(file);
  if (found == files_.end()) return;
  std::vector<uint8_t>& all = found->second.bytes;
  LineBytes line;
  // What is cut off counts as a change to zeros.
  for (uint64_t number = size / kLineBytes; number * kLineBytes < all.size(); ++number) {
    ReadLine({file, number}, &line);
    const uint64_t kept = number * kLineBytes < size ? size - number * kLineBytes : 0;
    std::fill(line.begin() + static_cast<std::ptrdiff_t>(std::min(kept, kLineBytes)), line.end(),
              uint8_t{0});
    WriteLine({file, number}, line);
  }
  hash_ ^= HashOfSize(file, all.size());
  hash_ ^= HashOfSize(file, size);
  all.resize(size);
}

LineBytes ImageSet::InFile(LineId line, LineBytes bytes) const {
  const auto found = files_.find(line.file);
  const uint64_t size = found == files_.end() ? 0 : found->second.bytes.size();
  const uint64_t offset = line.number * kLineBytes;
  const uint64_t kept = offset < size ? std::min(kLineBytes, size - offset) : 0;
  std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(kept), bytes.end(), uint8_t{0});
  return bytes;
}

std::span<const LineId> ImageSet::ChangesSince(uint64_t change) const {
  CHECK(change >= forgotten_ && change <= changes());
  return std::span(journal_).subspan(change - forgotten_);
}

void ImageSet::ForgetBefore(uint64_t change) {
  CHECK(change >= forgotten_ && change <= changes());
  journal_.erase(journal_.begin(),
                 journal_.begin() + static_cast<std::ptrdiff_t>(change - forgotten_));
  forgotten_ = change;
}

}  // namespace fencepost
