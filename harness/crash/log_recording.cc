// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/log_recording.h"

#include <fmt/format.h>

#include <algorithm>

#include "faultinject/explore/recording.h"
#include "faultinject/trace/store_log_reader.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kPageBytes = 4096;

// Whose image this is: an index into `files`.
Result<size_t> FileOfImage(const std::vector<StoreLogFile>& files, const fs::path& image) {
  if (files.size() == 1) return size_t{0};
  std::vector<size_t> fitting;
  for (size_t i = 0; i < files.size(); ++i) {
    if (fs::path(files[i].path).filename() == image.filename()) fitting.push_back(i);
  }
  if (fitting.size() == 1) return fitting.front();
  return Status::InvalidArgument(fmt::format(
      "--image={}: {} of the {} files of the log have this name, it must be one", image.string(),
      fitting.empty() ? "none" : std::to_string(fitting.size()), files.size()));
}

Status AddImage(const StoreLogFile& file, const fs::path& image, Recording* recording) {
  std::error_code error;
  if (!fs::is_regular_file(image, error)) {
    return Status::InvalidArgument(
        fmt::format("--image={}: is no regular file, or is not there", image.string()));
  }
  const uint64_t bytes = fs::file_size(image, error);
  // A mapping ends with a page, a file need not.
  const uint64_t pages = bytes / kPageBytes + (bytes % kPageBytes != 0 ? 1 : 0);
  if (error || file.mapped_bytes > pages * kPageBytes) {
    return Status::InvalidArgument(
        fmt::format("--image={}: has {} bytes, and the log maps {} of {}: it is not the file that "
                    "the run began with",
                    image.string(), bytes, file.mapped_bytes, file.path));
  }
  RecordedFile recorded{.path = file.path,
                        .initial = fmt::format("image-{}", recording->files.size())};
  fs::copy_file(image, recording->folder / recorded.initial, error);
  if (error) return Status::IoError(fmt::format("copy: {}: {}", image.string(), error.message()));
  recording->files.push_back(std::move(recorded));
  return Status::Ok();
}

}  // namespace

Status RecordLog(const std::string& log, const std::vector<std::string>& images,
                 const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    return Status::IoError(fmt::format("mkdir: {}: {}", folder.string(), error.message()));
  }
  Recording recording{.folder = folder, .log = fs::absolute(log, error).string()};
  ASSIGN_OR_RETURN(const StoreLogSummary summary,
                   ConvertStoreLog(log, recording.trace_path().string()));
  if (summary.files.empty()) {
    return Status::InvalidArgument(fmt::format(
        "{}: registers no file; was it made under PMDK, or with VALGRIND_PMC_REGISTER_PMEM_FILE?",
        log));
  }
  std::vector<bool> has_image(summary.files.size(), false);
  for (const std::string& image : images) {
    ASSIGN_OR_RETURN(const size_t file, FileOfImage(summary.files, image));
    if (has_image[file]) {
      return Status::InvalidArgument(
          fmt::format("--image={}: {} has an image already", image, summary.files[file].path));
    }
    has_image[file] = true;
    RETURN_IF_ERROR(AddImage(summary.files[file], image, &recording));
  }
  const auto without = std::find(has_image.begin(), has_image.end(), false);
  if (without != has_image.end()) {
    return Status::InvalidArgument(
        fmt::format("{}: is in the log, and has no --image",
                    summary.files[static_cast<size_t>(without - has_image.begin())].path));
  }
  return recording.Write();
}

}  // namespace fencepost
