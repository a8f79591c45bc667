// SPDX-License-Identifier: BSD-3-Clause
#include "harness/hdr_log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <zlib.h>

#include <array>
#include <bit>
#include <charconv>
#include <ctime>
#include <istream>
#include <ostream>
#include <vector>

namespace fencepost {
namespace {

// The digit 0x10 stands for the word size; V2 always has this one.
constexpr uint32_t kCookie = 0x1c849303u | 0x10u;
constexpr uint32_t kCompressedCookie = 0x1c849304u | 0x10u;
constexpr uint32_t kCookieMask = ~0xf0u;
constexpr size_t kHeaderBytes = 40;
constexpr size_t kCompressedHeaderBytes = 8;
constexpr size_t kMaxVarintBytes = 9;
// Refuse to inflate more than the largest histogram of ours takes: the input may be hostile.
constexpr size_t kMaxEncodedBytes = kHeaderBytes + kMaxVarintBytes * Histogram::kBucketCount;

template <typename Integer>
void AppendBigEndian(Integer value, std::string* out) {
  for (int shift = static_cast<int>(sizeof value) * 8 - 8; shift >= 0; shift -= 8) {
    out->push_back(static_cast<char>(value >> shift & 0xff));
  }
}

// REQUIRES: bytes holds offset + sizeof(Integer) bytes.
template <typename Integer>
Integer BigEndianAt(std::string_view bytes, size_t offset) {
  Integer value = 0;
  for (size_t i = 0; i < sizeof value; ++i) {
    value = static_cast<Integer>(value << 8 | static_cast<unsigned char>(bytes[offset + i]));
  }
  return value;
}

// ZigZag puts the sign into bit 0. LEB128 then takes 7 bits a byte, least first, but the ninth byte
// holds 8 bits, so that there is never a tenth.
void AppendVarint(int64_t value, std::string* out) {
  uint64_t rest = static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63);
  for (size_t i = 1; i < kMaxVarintBytes && rest >= 0x80; ++i) {
    out->push_back(static_cast<char>(rest | 0x80));
    rest >>= 7;
  }
  out->push_back(static_cast<char>(rest));
}

// Takes a varint off the front of `bytes`; false if it is cut off.
bool TakeVarint(std::string_view* bytes, int64_t* value) {
  uint64_t zigzag = 0;
  for (size_t i = 0; i < kMaxVarintBytes; ++i) {
    if (i == bytes->size()) return false;
    const uint64_t byte = static_cast<unsigned char>((*bytes)[i]);
    const bool last = i + 1 == kMaxVarintBytes || byte < 0x80;
    zigzag |= (last ? byte : byte & 0x7f) << (7 * i);
    if (last) {
      bytes->remove_prefix(i + 1);
      *value = static_cast<int64_t>(zigzag >> 1 ^ (~(zigzag & 1) + 1));
      return true;
    }
  }
  return false;
}

constexpr std::string_view kBase64Digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string ToBase64(std::string_view bytes) {
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t taken = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) {
      group = group << 8 | (k < taken ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    }
    for (size_t k = 0; k < 4; ++k) {
      out.push_back(k <= taken ? kBase64Digits[group >> (18 - 6 * k) & 63] : '=');
    }
  }
  return out;
}

Result<std::string> FromBase64(std::string_view text) {
  if (text.size() % 4 != 0) return Status::Corrupt("base64: the length is no multiple of 4");
  size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  std::string out;
  uint32_t group = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool is_padding = i + padding >= text.size();
    const size_t digit = is_padding ? 0 : kBase64Digits.find(text[i]);
    if (digit == std::string_view::npos) {
      return Status::Corrupt(fmt::format("base64: byte {} is no digit of it", i));
    }
    group = group << 6 | static_cast<uint32_t>(digit);
    if (i % 4 != 3) continue;
    for (int shift = 16; shift >= 0; shift -= 8) out.push_back(static_cast<char>(group >> shift));
    group = 0;
  }
  out.resize(out.size() - padding);
  return out;
}

std::string Deflate(std::string_view bytes) {
  uLongf size = compressBound(static_cast<uLong>(bytes.size()));
  std::string out(size, '\0');
  const int code = compress2(reinterpret_cast<Bytef*>(out.data()), &size,
                             reinterpret_cast<const Bytef*>(bytes.data()),
                             static_cast<uLong>(bytes.size()), Z_BEST_COMPRESSION);
  CHECK(code == Z_OK);  // there is room by compressBound()
  out.resize(size);
  return out;
}

Result<std::string> Inflate(std::string_view bytes) {
  std::string out(kMaxEncodedBytes, '\0');
  uLongf size = static_cast<uLongf>(out.size());
  const int code =
      uncompress(reinterpret_cast<Bytef*>(out.data()), &size,
                 reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uLong>(bytes.size()));
  if (code != Z_OK) return Status::Corrupt(fmt::format("uncompress: {}", zError(code)));
  out.resize(size);
  return out;
}

// The counts of a payload go into `histogram` at their places.
Status DecodePayload(std::string_view payload, Histogram* histogram) {
  size_t index = 0;
  while (!payload.empty()) {
    int64_t value = 0;
    if (!TakeVarint(&payload, &value)) return Status::Corrupt("histogram: a count is cut off");
    if (value < 0) {
      // Of its magnitude as unsigned: -INT64_MIN does not exist.
      const uint64_t zeros = ~static_cast<uint64_t>(value) + 1;
      if (zeros > Histogram::kBucketCount - index) {
        return Status::Corrupt("histogram: a run of empty buckets leads beyond the last");
      }
      index += static_cast<size_t>(zeros);
    } else if (index >= Histogram::kBucketCount) {
      if (value != 0) return Status::Unsupported("histogram: values beyond 2^42 - 1");
    } else {
      histogram->RecordCount(Histogram::LowestOf(index++), static_cast<uint64_t>(value));
    }
  }
  return Status::Ok();
}

// All of `text` must be the number.
bool ParseNumber(std::string_view text, double* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

Result<HdrInterval> ParseInterval(std::string_view line) {
  HdrInterval interval;
  if (constexpr std::string_view kTag = "Tag="; line.starts_with(kTag)) {
    const size_t comma = line.find(',');
    interval.tag = line.substr(kTag.size(), comma - kTag.size());
    line.remove_prefix(comma == std::string_view::npos ? line.size() : comma + 1);
  }
  std::array<std::string_view, 3> numbers;
  for (std::string_view& number : numbers) {
    const size_t comma = line.find(',');
    if (comma == std::string_view::npos) return Status::Corrupt("an interval has four fields");
    number = line.substr(0, comma);
    line.remove_prefix(comma + 1);
  }
  double max_ms = 0;
  if (!ParseNumber(numbers[0], &interval.start_s) || !ParseNumber(numbers[1], &interval.length_s) ||
      !ParseNumber(numbers[2], &max_ms)) {
    return Status::Corrupt("start, length and maximum of an interval must be numbers");
  }
  ASSIGN_OR_RETURN(interval.histogram, DecodeHistogramBase64(line));
  return interval;
}

}  // namespace

std::string EncodeHistogram(const Histogram& histogram) {
  const std::span<const uint64_t> counts = histogram.counts();
  size_t limit = counts.size();
  // An empty histogram still has the bucket of value 0.
  while (limit > 1 && counts[limit - 1] == 0) --limit;
  std::string payload;
  for (size_t i = 0; i < limit;) {
    size_t zeros = 0;
    while (i + zeros < limit && counts[i + zeros] == 0) ++zeros;
    if (zeros > 1) {
      AppendVarint(-static_cast<int64_t>(zeros), &payload);
      i += zeros;
    } else {
      CHECK(counts[i] <= INT64_MAX);
      AppendVarint(static_cast<int64_t>(counts[i++]), &payload);
    }
  }
  std::string out;
  AppendBigEndian(kCookie, &out);
  AppendBigEndian(static_cast<uint32_t>(payload.size()), &out);
  AppendBigEndian(uint32_t{0}, &out);  // normalizing index offset: none
  AppendBigEndian(static_cast<uint32_t>(Histogram::kSignificantDigits), &out);
  AppendBigEndian(uint64_t{1}, &out);
  AppendBigEndian(Histogram::kHighestNs, &out);
  AppendBigEndian(std::bit_cast<uint64_t>(1.0), &out);
  return out + payload;
}

Result<Histogram> DecodeHistogram(std::string_view encoded) {
  if (encoded.size() < kHeaderBytes) return Status::Corrupt("histogram: the header is cut off");
  if ((BigEndianAt<uint32_t>(encoded, 0) & kCookieMask) != (kCookie & kCookieMask)) {
    return Status::Unsupported("histogram: not of the V2 encoding");
  }
  const size_t payload_bytes = BigEndianAt<uint32_t>(encoded, 4);
  if (payload_bytes > encoded.size() - kHeaderBytes) {
    return Status::Corrupt("histogram: the payload is cut off");
  }
  const uint32_t digits = BigEndianAt<uint32_t>(encoded, 12);
  if (digits != Histogram::kSignificantDigits || BigEndianAt<uint64_t>(encoded, 16) != 1) {
    return Status::Unsupported(
        fmt::format("histogram: {} significant digits from {}, where 3 from 1 are read", digits,
                    BigEndianAt<uint64_t>(encoded, 16)));
  }
  // Some writers (hdr-histogram-js 3.0) put 1 in place of 0 for the offset, and ignore it.
  if (BigEndianAt<uint32_t>(encoded, 8) > 1) {
    return Status::Unsupported("histogram: with a normalizing index offset");
  }
  Histogram histogram;
  RETURN_IF_ERROR(DecodePayload(encoded.substr(kHeaderBytes, payload_bytes), &histogram));
  return histogram;
}

std::string EncodeHistogramBase64(const Histogram& histogram) {
  const std::string deflated = Deflate(EncodeHistogram(histogram));
  std::string out;
  AppendBigEndian(kCompressedCookie, &out);
  AppendBigEndian(static_cast<uint32_t>(deflated.size()), &out);
  return ToBase64(out + deflated);
}

Result<Histogram> DecodeHistogramBase64(std::string_view base64) {
  ASSIGN_OR_RETURN(const std::string bytes, FromBase64(base64));
  if (bytes.size() < kCompressedHeaderBytes) {
    return Status::Corrupt("histogram: the compressed header is cut off");
  }
  if ((BigEndianAt<uint32_t>(bytes, 0) & kCookieMask) != (kCompressedCookie & kCookieMask)) {
    return Status::Unsupported("histogram: not of the compressed V2 encoding");
  }
  const size_t deflated_bytes = BigEndianAt<uint32_t>(bytes, 4);
  if (deflated_bytes > bytes.size() - kCompressedHeaderBytes) {
    return Status::Corrupt("histogram: the compressed bytes are cut off");
  }
  ASSIGN_OR_RETURN(const std::string encoded,
                   Inflate(std::string_view(bytes).substr(kCompressedHeaderBytes, deflated_bytes)));
  return DecodeHistogram(encoded);
}

HdrLogWriter::HdrLogWriter(std::ostream& out, double start_time_s, std::string_view comment)
    : out_(out) {
  while (!comment.empty()) {
    const size_t end = comment.find('\n');
    out_ << '#' << comment.substr(0, end) << '\n';
    comment.remove_prefix(end == std::string_view::npos ? comment.size() : end + 1);
  }
  const std::tm utc = fmt::gmtime(static_cast<std::time_t>(start_time_s));
  out_ << "#[Histogram log format version 1.3]\n"
       << fmt::format("#[StartTime: {:.3f} (seconds since epoch), {:%Y-%m-%dT%H:%M:%SZ}]\n",
                      start_time_s, utc)
       << fmt::format("#[BaseTime: {:.3f} (seconds since epoch)]\n", start_time_s)
       << "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
          "\"Interval_Compressed_Histogram\"\n";
}

Status HdrLogWriter::Write(std::string_view tag, double start_s, double length_s,
                           const Histogram& histogram) {
  constexpr double kNsPerMs = 1e6;
  if (tag.find_first_of(", \t\r\n") != std::string_view::npos) {
    return Status::InvalidArgument(fmt::format("histogram log: no such tag can be: '{}'", tag));
  }
  if (!tag.empty()) out_ << "Tag=" << tag << ',';
  out_ << fmt::format("{:.3f},{:.3f},{:.3f},{}\n", start_s, length_s,
                      static_cast<double>(histogram.max_ns()) / kNsPerMs,
                      EncodeHistogramBase64(histogram));
  return Status::Ok();
}

Status ReadHdrLog(std::istream& in, FunctionRef<Status(const HdrInterval&)> visit) {
  size_t line_number = 0;
  for (std::string line; std::getline(in, line);) {
    ++line_number;
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty() || line.starts_with('#') || line.starts_with("\"StartTimestamp\"")) continue;
    const Result<HdrInterval> interval = ParseInterval(line);
    if (!interval.ok()) {
      return Status(interval.status().code(),
                    fmt::format("histogram log, line {}: {}", line_number, interval.message()));
    }
    RETURN_IF_ERROR(visit(*interval));
  }
  return Status::Ok();
}

}  // namespace fencepost
