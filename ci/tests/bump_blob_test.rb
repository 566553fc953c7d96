# frozen_string_literal: true

# ci/bump-blob, and the tasks of the pipeline around it, on copies of the repository whose blobs come from a server on the loopback.

require 'digest'
require 'fileutils'
require 'minitest/autorun'
require 'open3'
require 'tmpdir'
require 'yaml'
require_relative 'loopback'

class BumpBlobTest < Minitest::Test
  REPOSITORY = File.expand_path('../..', __dir__)
  PINS = YAML.load_file("#{REPOSITORY}/config/blob-sources.yml")['blobs']
  NEW = '99.1.0'

  def setup
    @work = Dir.mktmpdir('bump-blob-test-')
    @copy = "#{@work}/containers"
    FileUtils.mkdir_p(["#{@copy}/ci", "#{@copy}/docs"])
    FileUtils.cp("#{REPOSITORY}/ci/bump-blob", "#{@copy}/ci")
    FileUtils.cp_r(["#{REPOSITORY}/config", "#{REPOSITORY}/README.md"], @copy)
    @files = {}
    @server = Loopback.new(@files)
    edit('config/blob-sources.yml') { |text| text.gsub(%r{https://[^/]+}, @server.url) }
  end

  def teardown
    @server.stop
    FileUtils.rm_rf(@work)
  end

  PINS.each do |path, pin|
    name = path[%r{\A[^/]+}]
    old = path[/\d+(\.\d+)+/]

    define_method("test_a_newer_#{name}_is_pinned_wherever_the_old_one_was") do
      serve(pin, old, "the new #{name}")
      edit('config/blobs.yml') { |text| text.sub("#{path}:\n", "#{path}:\n  size: 1\n  object_id: of-the-old-one\n") }
      before = read
      output, status = bump(name, NEW)
      assert status.success?, output

      new = path.sub(old, NEW)
      sources, blobs = read
      assert_equal PINS.keys.map { |key| key == path ? new : key }, sources['blobs'].keys
      sha256 = Digest::SHA256.hexdigest("the new #{name}")
      assert_equal sha256, sources['blobs'][new]['sha256']
      assert_equal before[0]['blobs'][path]['url'].gsub(old, NEW), sources['blobs'][new]['url']
      assert_equal pin['name'].sub(old, NEW), sources['blobs'][new]['name']
      assert_equal({ 'size' => "the new #{name}".bytesize, 'sha' => "sha256:#{sha256}" }, blobs[new])
      others = ->(map, key) { map.reject { |other, _| other == key } }
      assert_equal others.call(before[0]['blobs'], path), others.call(sources['blobs'], new)
      assert_equal others.call(before[1], path), others.call(blobs, new)
      label = pin['name'][/\S+ #{Regexp.escape(old)}/]
      refute_includes File.read("#{@copy}/README.md"), label
      assert_equal comments("#{REPOSITORY}/config"), comments("#{@copy}/config")

      output, status = bump(name, NEW)
      assert status.success?, output
      assert_match(/is at #{NEW} already/, output)
    end
  end

  def test_a_checksum_of_the_maker_that_agrees_is_taken_and_one_that_does_not_refuses_the_file
    pin = PINS.values.last
    name, old = PINS.keys.last[%r{\A[^/]+}], PINS.keys.last[/\d+(\.\d+)+/]
    file = serve(pin, old, 'the file')
    @files["#{file}.sha256"] = "#{Digest::SHA256.hexdigest('another file')}  #{File.basename(file)}\n"
    assert_refused(/has the SHA-256 \h{64}, but its maker publishes \h{64}$/, name, NEW)
    @files["#{file}.sha256"] = "#{Digest::SHA256.hexdigest('the file')}  #{File.basename(file)}\n"
    output, status = bump(name, NEW)
    assert status.success?, output
    refute_match(/publishes no/, output)
  end

  def test_what_cannot_be_bumped_changes_nothing
    name = PINS.keys.first[%r{\A[^/]+}]
    assert_refused(/99\.1\.0.* is not there$/, name, NEW)
    assert_refused(/^error: .*which is newer than 1\.0$/, name, '1.0')
    assert_refused(/99\.1\.0-rc\.1 is no version of a release$/, name, "#{NEW}-rc.1")
    assert_refused(/has no blob podman$/, 'podman', NEW)
    @server.behave(always: 403)
    assert_refused(/failed with HTTP status 403$/, name, NEW)
  end

  def test_the_task_commits_a_bump_and_nothing_where_there_is_none
    FileUtils.cp_r("#{REPOSITORY}/ci/tasks", "#{@copy}/ci")
    # The container of the task has no Ruby yet; this machine does.
    edit('ci/tasks/bump-blob.sh') { |text| text.gsub(/^apt-get.*\n/, '') }
    name, old = PINS.keys.first[%r{\A[^/]+}], PINS.keys.first[/\d+(\.\d+)+/]
    serve(PINS.values.first, old, 'the file')
    git('init', '--quiet')
    git('add', '--all')
    git('-c', 'user.name=a', '-c', 'user.email=a@example.com', 'commit', '--quiet', '--message', 'first')
    FileUtils.mkdir_p("#{@work}/upstream")
    [[NEW, 2, "Bump #{name} to #{NEW}, Somebody"], [old, 1, 'first, a']].each do |version, commits, last|
      File.write("#{@work}/upstream/version", version)
      FileUtils.rm_rf("#{@work}/bumped")
      output, status = Open3.capture2e({ 'CONTAINERS_BLOB' => name, 'GIT_AUTHOR_NAME' => 'Somebody', 'GIT_AUTHOR_EMAIL' => 'somebody@example.com' },
                                       "#{@copy}/ci/tasks/bump-blob.sh", chdir: @work)
      assert status.success?, output
      log = `git -C #{@work}/bumped log --format='%s, %an'`.lines(chomp: true)
      assert_equal commits, log.size
      assert_equal last, log.first
    end
  end

  def test_a_final_release_is_not_begun_where_its_blobs_would_be_lost_or_nothing_says_what_is_new
    FileUtils.mkdir_p(["#{@copy}/ci", "#{@work}/version"])
    File.write("#{@work}/version/version", '1.2.0')
    { "# Changelog\n\n## Unreleased\n\n## 1x2.0\n" => /^error: CHANGELOG\.md has no section 1\.2\.0$/,
      "# Changelog\n\n## 1.2.0\n" => /^error: config.final\.yml keeps the blobs of final releases on the machine/ }.each do |changes, error|
      File.write("#{@copy}/CHANGELOG.md", changes)
      output, status = Open3.capture2e("#{REPOSITORY}/ci/tasks/final-release.sh", chdir: @work)
      assert_equal 1, status.exitstatus
      assert_match(error, output)
    end
  end

  private

  def edit(path)
    file = "#{@copy}/#{path}"
    File.write(file, yield(File.read(file)))
  end

  # Serves the new version of a pinned file, and says at which path.
  def serve(pin, old, content)
    path = pin['url'].gsub(old, NEW).sub(%r{\Ahttps://[^/]+}, '')
    @files[path] = content
    path
  end

  def read = %w[blob-sources.yml blobs.yml].map { |file| YAML.load_file("#{@copy}/config/#{file}") }
  def comments(directory) = Dir.glob("#{directory}/*.yml").flat_map { |file| File.readlines(file).grep(/^#/) }
  def bump(*arguments) = Open3.capture2e('timeout', '60', "#{@copy}/ci/bump-blob", *arguments)
  def git(*arguments) = assert(system('git', '-C', @copy, *arguments))

  def assert_refused(error, *arguments)
    before = read
    output, status = bump(*arguments)
    assert_equal 1, status.exitstatus, output
    assert_match(error, output)
    assert_equal before, read
  end
end
