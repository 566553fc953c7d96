# Usage: ruby ci/benches/made-up-images.rb SET DIR
#
# Images that no software is in, as OCI image layouts below DIR, for questions of number and size:
#   twenty   20 images: those of the image set SET, five times each under other names, with configurations of their own
#   hundred  100 images of 10 small layers each, no two alike
#   big      one image with one layer of 2 GiB that does not compress
require "digest"
require "fileutils"
require "json"
require "rubygems/package"
require "stringio"
require "zlib"

ENV["SOURCE_DATE_EPOCH"] = "1700000000"
TYPE = "application/vnd.oci.image".freeze

# A layout that is being written.
class Layout
  def initialize(directory)
    @directory = directory
    @images = []
    FileUtils.mkdir_p("#{directory}/blobs/sha256")
  end

  def path(digest) = "#{@directory}/blobs/sha256/#{digest.delete_prefix("sha256:")}"

  def keep(bytes)
    digest = "sha256:#{Digest::SHA256.hexdigest(bytes)}"
    File.binwrite(path(digest), bytes)
    {"digest" => digest, "size" => bytes.bytesize}
  end

  def layer(tar)
    {"mediaType" => "#{TYPE}.layer.v1.tar+gzip"}.merge(keep(Zlib.gzip(tar)))
  end

  def add(reference, config, layers)
    config = {"mediaType" => "#{TYPE}.config.v1+json"}.merge(keep(JSON.generate(config)))
    manifest = keep(JSON.generate("schemaVersion" => 2, "mediaType" => "#{TYPE}.manifest.v1+json", "config" => config, "layers" => layers))
    @images << {"mediaType" => "#{TYPE}.manifest.v1+json"}.merge(manifest, "platform" => {"architecture" => "amd64", "os" => "linux"},
                                                                        "annotations" => {"org.opencontainers.image.ref.name" => reference})
  end

  def finish
    File.write("#{@directory}/oci-layout", JSON.generate("imageLayoutVersion" => "1.0.0"))
    File.write("#{@directory}/index.json", JSON.generate("schemaVersion" => 2, "mediaType" => "#{TYPE}.index.v1+json", "manifests" => @images))
  end
end

def config(diff_ids)
  {"architecture" => "amd64", "os" => "linux", "config" => {}, "rootfs" => {"type" => "layers", "diff_ids" => diff_ids}}
end

def tar(name, bytes)
  io = StringIO.new("".b)
  Gem::Package::TarWriter.new(io) { |writer| writer.add_file_simple(name, 0o644, bytes.bytesize) { |file| file.write(bytes) } }
  io.string
end

def twenty(set, directory)
  read = ->(digest) { JSON.parse(File.read("#{set}/gzip/blobs/sha256/#{digest.delete_prefix("sha256:")}")) }
  layout = Layout.new(directory)
  JSON.parse(File.read("#{set}/gzip/index.json"))["manifests"].first(4).each do |image|
    manifest = read[image["digest"]]
    manifest["layers"].each { |layer| FileUtils.ln("#{set}/gzip/blobs/sha256/#{layer["digest"].delete_prefix("sha256:")}", layout.path(layer["digest"]), force: true) }
    5.times do |number|
      config = read[manifest["config"]["digest"]]
      config["config"]["Labels"] = {"copy" => number.to_s}
      layout.add("#{image["annotations"].values.first}-copy-#{number}", config, manifest["layers"])
    end
  end
  layout.finish
end

def hundred(directory)
  layout = Layout.new(directory)
  100.times do |image|
    tars = Array.new(10) { |number| tar("made-up/#{image}/#{number}", "layer #{number} of image #{image}\n" * 100) }
    layout.add(format("made-up/small:%d", image), config(tars.map { |bytes| "sha256:#{Digest::SHA256.hexdigest(bytes)}" }), tars.map { |bytes| layout.layer(bytes) })
  end
  layout.finish
end

def big(directory)
  layout = Layout.new(directory)
  random = Random.new(1)
  diff_id = Digest::SHA256.new
  part = "#{directory}/part"
  File.open(part, "wb") do |file|
    # stored, not deflated: random bytes would gain nothing
    gzip = Zlib::GzipWriter.new(file, Zlib::NO_COMPRESSION)
    write = ->(bytes) { gzip.write(bytes); diff_id << bytes }
    write[tar("made-up/big", "")[0, 512].tap { |header| header[124, 12] = format("%011o\0", 2 << 30); header[148, 8] = " " * 8; header[148, 8] = format("%06o\0 ", header.sum(32)) }]
    (2 << 10).times { write[random.bytes(1 << 20)] }
    write["\0" * 1024]
    gzip.finish
  end
  layer = {"digest" => "sha256:#{Digest::SHA256.file(part).hexdigest}", "size" => File.size(part)}
  File.rename(part, layout.path(layer["digest"]))
  layout.add("made-up/big:1", config(["sha256:#{diff_id.hexdigest}"]), [{"mediaType" => "#{TYPE}.layer.v1.tar+gzip"}.merge(layer)])
  layout.finish
end

set, directory = ARGV
twenty(set, "#{directory}/twenty")
hundred("#{directory}/hundred")
big("#{directory}/big")
