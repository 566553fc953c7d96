# frozen_string_literal: true

# ci/toolchain, and ci/setup which calls it, on machines without Rust: a copy of the repository, a PATH without a toolchain, and a
# mirror on the loopback that serves a stand-in with the layout of the real tarball.

require 'digest'
require 'etc'
require 'fileutils'
require 'minitest/autorun'
require 'open3'
require 'timeout'
require 'tmpdir'
require 'yaml'
require_relative 'loopback'

class ToolchainTest < Minitest::Test
  REPOSITORY = File.expand_path('../..', __dir__)
  BLOB = YAML.load_file("#{REPOSITORY}/config/blob-sources.yml")['blobs'].keys.find { |blob| blob.start_with?('rust/') }
  NAME = File.basename(BLOB, '.tar.xz')
  PINNED = NAME[/\d+\.\d+\.\d+/]

  def setup
    @work = Dir.mktmpdir('toolchain-test-')
    @repository = "#{@work}/repository"
    @rust = "#{@work}/opt/#{NAME}"
    copy_the_repository
    @bin = path_without_rust
    @tarball = stand_in(PINNED)
    pin(@tarball)
    @mirror = Loopback.new("/mirror/dist/#{File.basename(BLOB)}" => @tarball)
  end

  def teardown
    @mirror.stop
    FileUtils.rm_rf(@work)
  end

  def test_a_machine_without_rust_gets_the_pinned_toolchain_and_the_scripts_find_it
    assert_installs
    assert_equal "rustc #{PINNED}", found_by_scripts('rustc --version')
    assert_equal 'rustfmt', found_by_scripts('cargo-fmt')
    assert_path_exists "#{@rust}/lib/rustlib/x86_64-unknown-linux-gnu/lib/libstd.rlib"
    refute_path_exists "#{@rust}/share", 'the documentation, which nobody needs here, is installed'
    assert_equal [NAME], Dir.children("#{@work}/opt").reject { |entry| entry == '.lock' }

    assert_installs
    assert_equal 1, @mirror.requests.size, 'a toolchain that is there was fetched again'
  end

  def test_a_toolchain_on_path_that_is_new_enough_is_left_alone
    program("#{@bin}/rustc", "rustc #{PINNED.sub(/\d+\.(\d+)\.\d+/) { "1.#{Regexp.last_match(1).to_i + 5}.0" }} (abc 2027-01-01)")
    program("#{@bin}/cargo", 'cargo 1')
    assert_installs
    refute_path_exists "#{@work}/opt"
    assert_empty @mirror.requests
    assert_equal "#{@bin}/rustc", found_by_scripts('command -v rustc')
  end

  def test_an_older_toolchain_on_path_stays_and_the_pinned_one_comes_before_it_in_scripts
    program("#{@bin}/rustc", 'rustc 1.63.0')
    program("#{@bin}/cargo", 'cargo 1.63.0')
    assert_installs
    assert_equal "#{@rust}/bin/rustc", found_by_scripts('command -v rustc')
    assert_equal 'rustc 1.63.0', `#{@bin}/rustc --version`.strip
  end

  def test_a_rustup_that_has_no_toolchain_counts_as_none
    %w[rustc cargo].each { |name| program("#{@bin}/#{name}", nil, status: 1) }
    assert_installs
    assert_equal "rustc #{PINNED}", found_by_scripts('rustc --version')
  end

  def test_a_tarball_with_another_checksum_is_refused_and_nothing_is_installed
    pin('something else')
    output = assert_fails
    assert_match(/^error: #{@mirror.url}.* has the SHA-256 #{Digest::SHA256.hexdigest(@tarball)}, but config.* pins #{Digest::SHA256.hexdigest('something else')}/, output)
    assert_match(/^hint: /, output)
    assert_nothing_installed
  end

  def test_a_transfer_that_breaks_off_begins_again
    @mirror.behave(:cut, 503)
    assert_installs
    assert_equal 3, @mirror.requests.size
  end

  def test_a_mirror_that_fails_leaves_nothing_and_the_next_run_installs
    @mirror.behave(:cut, 404, always: :cut)
    output = assert_fails
    assert_match(%r{^error: fetching #{@mirror.url}/mirror/dist/#{NAME}\.tar\.xz failed$}, output)
    assert_match(/^hint: .*CONTAINERS_RUST_MIRROR/, output)
    assert_nothing_installed
    @mirror.behave
    assert_installs
  end

  def test_what_a_killed_run_left_does_not_hinder_the_next_one
    @mirror.behave(always: :stall)
    pid = Process.spawn(environment, "#{@repository}/ci/toolchain", unsetenv_others: true, pgroup: true, %i[out err] => File::NULL)
    part = "#{@work}/opt/.installing/rust.tar.xz.part"
    Timeout.timeout(20) { sleep 0.05 until File.exist?(part) }
    Process.kill(:KILL, -pid)
    Process.wait(pid)
    assert_path_exists part
    refute_path_exists @rust
    @mirror.behave
    assert_installs
    assert_nothing_left
  end

  def test_two_runs_at_once_fetch_it_once
    outputs = Array.new(2) { Thread.new { toolchain } }.map(&:value)
    outputs.each { |output, status| assert status.success?, output }
    assert_equal 1, @mirror.requests.size
  end

  def test_a_toolchain_that_does_not_run_is_not_installed
    @tarball.replace(stand_in(PINNED, status: 127))
    pin(@tarball)
    assert_match(/^error: rustc of #{NAME} does not run on this machine$/, assert_fails)
    assert_nothing_installed
  end

  def test_a_verified_blob_saves_the_download_and_a_stand_in_among_the_blobs_is_not_taken
    FileUtils.mkdir_p("#{@repository}/blobs/rust")
    File.binwrite("#{@repository}/blobs/#{BLOB}", 'stand-in')
    assert_installs
    assert_equal 1, @mirror.requests.size

    FileUtils.rm_rf(@rust)
    File.binwrite("#{@repository}/blobs/#{BLOB}", @tarball)
    assert_installs
    assert_equal 1, @mirror.requests.size
    assert_path_exists "#{@repository}/blobs/#{BLOB}"
  end

  def test_setup_installs_what_is_missing_and_says_what_is_there
    assert_equal 0, Etc.getpwuid.uid, 'ci/setup must run as root, and so must its test'
    output, status = output_of("#{@repository}/ci/setup")
    assert status.success?, output
    assert_match(/^==> ready: rustc #{PINNED}, ruby /, output)
    fetches = ['', ' --manifest-path src/tools/Cargo.toml', ' --manifest-path src/image-registry/Cargo.toml']
    assert_equal fetches.map { |workspace| "fetch --locked --quiet#{workspace}" },
                 File.readlines("#{@work}/cargo.log", chomp: true).reject { |line| line == '--version' }
  end

  private

  def copy_the_repository
    FileUtils.mkdir_p("#{@repository}/ci")
    %w[setup toolchain toolchain-path fetch-blob].each { |script| FileUtils.cp("#{REPOSITORY}/ci/#{script}", "#{@repository}/ci") }
    FileUtils.cp_r("#{REPOSITORY}/config", @repository)
    FileUtils.cp("#{REPOSITORY}/Cargo.toml", @repository)
  end

  # A directory with a link to each program of this machine, but Rust's.
  def path_without_rust
    bin = "#{@work}/bin"
    FileUtils.mkdir_p(bin)
    Dir.glob('/{usr/,}{s,}bin/*').each do |path|
      name = File.basename(path)
      File.symlink(path, "#{bin}/#{name}") unless name.match?(/\A(cargo|rust|clippy)/) || File.symlink?("#{bin}/#{name}")
    end
    bin
  end

  def program(path, output, status: 0)
    FileUtils.mkdir_p(File.dirname(path))
    File.write(path, "#!/bin/sh\n#{"echo '#{output}'\n" if output}#{"echo \"$*\" >>#{@work}/cargo.log\n" if path.end_with?('/cargo/bin/cargo')}exit #{status}\n")
    File.chmod(0o755, path)
  end

  # A tarball with the components that the real one has.
  def stand_in(version, status: 0)
    tree = "#{@work}/stand-in/#{NAME}"
    program("#{tree}/rustc/bin/rustc", "rustc #{version}", status: status)
    program("#{tree}/cargo/bin/cargo", "cargo #{version}", status: status)
    program("#{tree}/rustfmt-preview/bin/cargo-fmt", 'rustfmt')
    program("#{tree}/clippy-preview/bin/cargo-clippy", 'clippy')
    program("#{tree}/rust-docs/share/doc/index", 'documentation')
    standard = "#{tree}/rust-std-x86_64-unknown-linux-gnu/lib/rustlib/x86_64-unknown-linux-gnu/lib"
    compiler = "#{tree}/rustc/lib/rustlib/x86_64-unknown-linux-gnu/bin"
    FileUtils.mkdir_p([standard, compiler])
    File.write("#{standard}/libstd.rlib", 'std')
    File.write("#{compiler}/rust-lld", 'lld')
    assert system('tar', '--create', '--xz', '--file', "#{@work}/rust.tar.xz", '--directory', "#{@work}/stand-in", NAME)
    File.binread("#{@work}/rust.tar.xz")
  end

  def pin(bytes)
    sources = "#{@repository}/config/blob-sources.yml"
    pinned = YAML.load_file("#{REPOSITORY}/config/blob-sources.yml")['blobs'][BLOB]['sha256']
    File.write(sources, File.read("#{REPOSITORY}/config/blob-sources.yml").sub(pinned, Digest::SHA256.hexdigest(bytes)))
  end

  def environment
    { 'PATH' => @bin, 'HOME' => @work, 'CONTAINERS_RUST_DIR' => "#{@work}/opt", 'CONTAINERS_RUST_MIRROR' => "#{@mirror.url}/mirror/" }
  end

  # What a command prints, and how it ended. None takes longer than a minute.
  def output_of(*command) = Open3.capture2e(environment, 'timeout', '60', *command, unsetenv_others: true)
  def toolchain = output_of("#{@repository}/ci/toolchain")

  def found_by_scripts(command)
    output, status = output_of('bash', '-euo', 'pipefail', '-c', ". #{@repository}/ci/toolchain-path && #{command}")
    assert status.success?, output
    output.strip
  end

  def assert_installs
    output, status = toolchain
    assert status.success?, output
  end

  def assert_fails
    output, status = toolchain
    assert_equal 1, status.exitstatus, output
    output
  end

  def assert_nothing_installed
    refute_path_exists @rust
    assert_nothing_left
  end

  def assert_nothing_left
    assert_empty Dir.children("#{@work}/opt") - ['.lock', NAME]
  end
end
