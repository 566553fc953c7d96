# frozen_string_literal: true

# ci/release, on copies of the repository with small blobs and a blobstore in a directory. The program `bosh` is one of the test's own, which
# writes what the real one does, and can fail half way; where the real one is on PATH, it makes a release, too.

require 'digest'
require 'English'
require 'fileutils'
require 'minitest/autorun'
require 'open3'
require 'tmpdir'
require 'yaml'

class ReleaseTest < Minitest::Test
  REPOSITORY = File.expand_path('../..', __dir__)
  BLOBS = YAML.load_file("#{REPOSITORY}/config/blobs.yml").keys
  CHANGES = "# Changelog\n\n## 7.1.0\n\nWhat operators should know.\n\n### Details\n\n- A change.\n\n## 7.0.0\n\nThe earlier one.\n"
  REAL = ENV.fetch('PATH').split(':').map { |directory| "#{directory}/bosh" }.find { |file| File.executable?(file) }
  # A directory with a link to each program of this machine, but a `bosh`.
  PROGRAMS = Dir.mktmpdir('release-test-programs-').tap do |directory|
    Minitest.after_run { FileUtils.rm_rf(directory) }
    Dir.glob('/{usr/local/,usr/,}{s,}bin/*').uniq { |path| File.basename(path) }.each do |path|
      File.symlink(path, "#{directory}/#{File.basename(path)}") unless File.basename(path) == 'bosh'
    end
  end
  BOSH = <<~'BASH'
    #!/bin/bash
    set -eu
    echo "$*" >>"$0.calls"
    [ "$1 $2 $3 $4" = "--non-interactive create-release --final --version" ] && version=$5 && [ "$6" = --tarball ]
    mkdir -p dev_releases/containers .final_builds/packages/docker releases/containers
    echo "version: $version" | tee -a dev_releases/containers/index.yml >"dev_releases/containers/containers-$version.yml"
    echo "$version" >>.final_builds/packages/docker/index.yml
    [ ! -e "$0.fails" ] || { echo "Failed uploading" >&2; exit 1; }
    echo "version: $version" | tee -a releases/containers/index.yml >"releases/containers/containers-$version.yml"
    (umask 077; echo "the release $version" >"$7")
  BASH

  def setup
    @work = Dir.mktmpdir('release-test-')
    @copy = "#{@work}/containers"
    FileUtils.mkdir_p(["#{@copy}/ci", "#{@copy}/blobs"])
    FileUtils.cp("#{REPOSITORY}/ci/release", "#{@copy}/ci")
    FileUtils.cp_r(["#{REPOSITORY}/config", "#{REPOSITORY}/.gitignore"], @copy)
    FileUtils.rm_f("#{@copy}/config/private.yml")
    BLOBS.each { |path| blob(path, archive?(path) ? tarball('docker/dockerd') : 'a program') }
    write('CHANGELOG.md', CHANGES)
    own_bosh
    git('init', '--quiet')
    commit('first')
  end

  def teardown = FileUtils.rm_rf(@work)

  def test_a_release_is_made_with_checksum_and_notes_and_committed_as_it_says
    output, status = release('7.1.0')
    assert status.success?, output
    BLOBS.each { |path| assert_includes output, "==> verified #{path}\n" }
    sum = Digest::SHA256.file("#{@copy}/containers-7.1.0.tgz").hexdigest
    assert_equal "#{sum}  containers-7.1.0.tgz\n", read('containers-7.1.0.tgz.sha256')
    assert_equal "What operators should know.\n\nSHA-256 of containers-7.1.0.tgz: #{sum}\n", read('containers-7.1.0.md')
    assert_equal 0o644, File.stat("#{@copy}/containers-7.1.0.tgz").mode & 0o777
    assert_equal "?? .final_builds/\n?? releases/\n", git('status', '--porcelain')

    run = output[/^==> next: (.*)$/, 1] or flunk(output)
    identity = %w[AUTHOR COMMITTER].flat_map { |who| [["GIT_#{who}_NAME", 'a'], ["GIT_#{who}_EMAIL", 'a@example.com']] }.to_h
    assert system(identity, run, chdir: @copy, out: File::NULL)
    assert_equal '', git('status', '--porcelain')
    assert_equal "Release 7.1.0\n", git('log', '-1', '--format=%s', 'v7.1.0')
    assert_match(/^What operators should know\.$.*^SHA-256 of/m, git('tag', '--list', '--format=%(contents)', 'v7.1.0'))

    write('CHANGELOG.md', CHANGES.sub("## 7.1.0\n", "## 7.1.1\n\nA fix.\n\n## 7.1.0\n"))
    commit('a fix')
    output, status = release('7.1.1')
    assert status.success?, output
    assert_match(/\AA fix\.\n\nSHA-256/, read('containers-7.1.1.md'))
  end

  # What is refused: what is done before, and the error. A hint follows each of them.
  REFUSED = {
    'no_version_of_a_release' => ['7.1', '', /^error: '7\.1' is no version of a final release$/],
    'a_development_version' => ['7.1.0-dev.1', '', /^error: '7\.1\.0-dev\.1' is no version/],
    'a_machine_without_bosh' => ['7.1.0', 'rm ../bin/bosh', /^error: no bosh on PATH$/],
    'a_directory_that_is_no_repository' => ['7.1.0', 'rm -rf .git', /is no git repository$/],
    'a_tree_with_a_change' => ['7.1.0', 'echo >>CHANGELOG.md', /^error: the working tree is not clean:  M CHANGELOG\.md$/],
    'a_tree_with_a_stray_file' => ['7.1.0', 'echo >stray', /^error: the working tree is not clean: \?\? stray$/],
    'a_version_that_was_released' => ['7.1.0', 'mkdir -p releases/containers && echo >releases/containers/containers-7.1.0.yml && %<commit>s',
                                      %r{^error: 7\.1\.0 is there already: releases/containers/containers-7\.1\.0\.yml$}],
    'a_version_that_is_tagged' => ['7.1.0', 'git tag v7.1.0', /^error: 7\.1\.0 is there already: the tag v7\.1\.0$/],
    'a_version_whose_tarball_is_there' => ['7.1.0', 'echo >containers-7.1.0.tgz', /^error: 7\.1\.0 is there already: containers-7\.1\.0\.tgz$/],
    'a_version_of_a_dev_release' => ['7.1.0', 'mkdir -p dev_releases/containers && echo >dev_releases/containers/containers-7.1.0.yml', /^error: dev_releases has a dev release 7\.1\.0/],
    'a_version_that_the_changelog_does_not_have' => ['7.2.0', '', /^error: CHANGELOG\.md has no notes for 7\.2\.0$/],
    'a_version_without_notes' => ['7.1.0', "sed -i '/^What operators/d' CHANGELOG.md && %<commit>s", /^error: CHANGELOG\.md has no notes for 7\.1\.0$/],
    'changes_that_no_version_has' => ['7.1.0', "sed -i '2s/^/\\n## Unreleased\\n\\n- A change.\\n\\n/' CHANGELOG.md && %<commit>s", /^error: CHANGELOG\.md has changes under Unreleased/],
    'a_blobstore_without_credentials' => ['7.1.0', '%<s3>s && %<commit>s', %r{^error: config/private\.yml has no blobstore\.options, the credentials for the s3 blobstore}],
    'credentials_that_are_empty' => ['7.1.0', '%<s3>s && %<commit>s && echo >config/private.yml', %r{^error: config/private\.yml has no blobstore\.options}],
    'credentials_that_are_no_yaml' => ['7.1.0', '%<s3>s && %<commit>s && echo "a: [" >config/private.yml', %r{^error: config/final\.yml or config/private\.yml cannot be read$}],
    'a_blob_without_a_source' => ['7.1.0', "sed -i '/^  docker-buildx/,/sha256:/d' config/blob-sources.yml && %<commit>s", %r{^error: docker-buildx/\S+: config/blobs\.yml pins \h{64}, config/blob-sources\.yml pins nothing$}]
  }.freeze

  REFUSED.each do |what, (version, before, error)|
    define_method("test_#{what}_is_refused_and_nothing_changes") do
      given = { commit: "git add --all && git #{IDENTITY.join(' ')} commit --quiet --message before",
                s3: "sed -i 's/provider: local/provider: s3/' config/final.yml" }
      assert system(format(before, given), chdir: @copy), before unless before.empty?
      assert_refused(version, error)
    end
  end

  def test_credentials_may_lie_in_private_yml_or_come_from_where_final_yml_says
    write('config/final.yml', read('config/final.yml').sub('provider: local', 'provider: s3'))
    commit('s3')
    write('config/private.yml', YAML.dump('blobstore' => { 'options' => { 'access_key_id' => 'a', 'secret_access_key' => 'b' } }))
    output, status = release('7.1.0')
    assert status.success?, output

    FileUtils.rm(["#{@copy}/config/private.yml"] + Dir.glob("#{@copy}/containers-*"))
    git('clean', '--quiet', '--force', '-d')
    FileUtils.rm_rf("#{@copy}/dev_releases")
    write('config/final.yml', read('config/final.yml').sub('  options:', "  options:\n    credentials_source: env_or_profile"))
    commit('credentials of the machine')
    output, status = release('7.1.0')
    assert status.success?, output
  end

  def test_blobs_that_are_missing_altered_or_stand_ins_are_all_named
    docker, rust, compose, crates = %w[docker/ rust/ docker-compose/ crates/].map { |start| BLOBS.find { |path| path.start_with?(start) } }
    File.write("#{@copy}/blobs/#{docker}", tarball('docker/STAND-IN'))
    FileUtils.rm("#{@copy}/blobs/#{rust}")
    File.write("#{@copy}/blobs/#{compose}", "a program\nstand-in: docker-compose out of the Debian packages of trixie\n")
    File.write("#{@copy}/blobs/#{crates}", tarball('vendor/other'))
    output = assert_refused('7.1.0', /^hint: remove these files/)
    assert_includes output, "error: blobs/#{docker} is a stand-in, not what its maker released\n"
    assert_includes output, "error: blobs/#{rust} is not there\n"
    assert_includes output, "error: blobs/#{compose} is a stand-in, not what its maker released\n"
    assert_match(%r{^error: blobs/#{Regexp.escape(crates)} has the SHA-256 \h{64}, config/blobs\.yml pins \h{64}: an altered file$}, output)
  end

  def test_a_stand_in_is_refused_even_where_its_digest_is_pinned
    { 'docker/' => tarball('docker/STAND-IN'), 'rust/' => tarball('rust-1/STAND-IN'), 'docker-buildx/' => "a program\nstand-in: docker-buildx out of Debian\n" }.each do |start, content|
      path = BLOBS.find { |candidate| candidate.start_with?(start) }
      before = File.binread("#{@copy}/blobs/#{path}")
      blob(path, content)
      commit("pin #{path}")
      assert_refused('7.1.0', %r{^error: blobs/#{Regexp.escape(path)} is a stand-in})
      blob(path, before)
      commit("pin #{path} again")
    end
  end

  def test_a_digest_that_only_one_of_the_two_files_has_is_refused
    path = BLOBS.find { |candidate| candidate.start_with?('docker/') }
    blob(path, tarball('docker/another'), files: ['config/blobs.yml'])
    commit('pin')
    assert_refused('7.1.0', %r{^error: #{Regexp.escape(path)}: config/blobs\.yml pins \h{64}, config/blob-sources\.yml pins \h{64}$})
  end

  def test_a_release_that_bosh_gives_up_half_way_leaves_the_tree_as_it_was_and_can_be_made_later
    release('7.1.0')
    git('add', '--all')
    commit('Release 7.1.0')
    write('CHANGELOG.md', CHANGES.sub("## 7.1.0\n", "## 7.2.0\n\nMore.\n\n## 7.1.0\n"))
    commit('more')
    FileUtils.touch("#{@work}/bin/bosh.fails")
    2.times { assert_refused('7.2.0', /^Failed uploading\nerror: bosh could not make the release/, bosh: true) }
    FileUtils.rm("#{@work}/bin/bosh.fails")
    output, status = release('7.2.0')
    assert status.success?, output
    assert_equal "version: 7.1.0\nversion: 7.2.0\n", read('releases/containers/index.yml')
  end

  def test_a_release_that_is_ended_by_a_signal_leaves_the_tree_as_it_was
    File.write("#{@work}/bin/bosh", BOSH.sub('[ ! -e "$0.fails" ] ||', 'touch "$0.waits"; sleep 60; [ ! -e "$0.fails" ] ||'))
    %w[INT TERM].each do |signal|
      # a shell's background jobs ignore SIGINT, and so would what is started here
      Signal.trap(signal, 'DEFAULT')
      before = files
      pid = spawn(environment, "#{@copy}/ci/release", '7.1.0', pgroup: true, %i[out err] => File::NULL)
      sleep 0.05 until File.exist?("#{@work}/bin/bosh.waits")
      Process.kill(signal, -pid)
      Process.wait(pid)
      assert_equal Signal.list[signal], $CHILD_STATUS.termsig
      assert_equal before, files
      FileUtils.rm("#{@work}/bin/bosh.waits")
    end
  end

  if REAL
    def test_the_real_bosh_makes_it_and_reads_it_and_makes_the_next_one
      FileUtils.rm("#{@work}/bin/bosh")
      File.symlink(REAL, "#{@work}/bin/bosh")
      files = `git -C #{REPOSITORY} ls-files -z jobs packages src Cargo.toml Cargo.lock LICENSE NOTICE`.split("\0")
      files.each do |file|
        FileUtils.mkdir_p(File.dirname("#{@copy}/#{file}"))
        FileUtils.copy_entry("#{REPOSITORY}/#{file}", "#{@copy}/#{file}") if File.exist?("#{REPOSITORY}/#{file}")
      end
      commit('the whole release')
      output, status = release('7.1.0')
      assert status.success?, output
      output, status = Open3.capture2e(environment, 'bosh', 'inspect-local-release', 'containers-7.1.0.tgz', chdir: @copy)
      assert status.success?, output
      assert_match(/^containers\s+7\.1\.0\s/m, output)
      git('add', '--all')
      commit('Release 7.1.0')
      assert_refused('7.1.0', /is there already/)
      FileUtils.rm(Dir.glob("#{@copy}/containers-7.1.0*"))

      # Of the same files comes another version of the same packages, out of the blobstore; and the tarball of 7.1.0 again.
      write('CHANGELOG.md', CHANGES.sub("## 7.1.0\n", "## 7.1.1\n\nMore.\n\n## 7.1.0\n"))
      commit('more')
      output, status = release('7.1.1')
      assert status.success?, output
      packages = %w[7.1.0 7.1.1].map { |version| YAML.load_file("#{@copy}/releases/containers/containers-#{version}.yml")['packages'] }
      assert_equal packages[0], packages[1]
      output, status = Open3.capture2e(environment, 'bosh', 'create-release', 'releases/containers/containers-7.1.0.yml', '--tarball', "#{@work}/again.tgz", chdir: @copy)
      assert status.success?, output
    end
  end

  private

  IDENTITY = %w[-c user.name=a -c user.email=a@example.com].freeze

  def archive?(path) = path.match?(/\.tgz\z|\.tar\./)
  def read(path) = File.read("#{@copy}/#{path}")
  def write(path, text) = File.write("#{@copy}/#{path}", text)
  def environment = { 'PATH' => "#{@work}/bin:#{PROGRAMS}", 'HOME' => @work }
  def release(*arguments) = Open3.capture2e(environment, 'timeout', '120', "#{@copy}/ci/release", *arguments)

  def git(*arguments)
    output, status = Open3.capture2e('git', '-C', @copy, *IDENTITY, *arguments)
    assert status.success?, output
    output
  end

  def commit(message)
    git('add', '--all')
    git('commit', '--quiet', '--message', message)
  end

  # A tarball, gzip'd, with one file of that name.
  def tarball(name)
    FileUtils.mkdir_p(File.dirname("#{@work}/tree/#{name}"))
    File.write("#{@work}/tree/#{name}", name)
    output, status = Open3.capture2('tar', '--create', '--gzip', '--directory', "#{@work}/tree", name)
    assert status.success?
    output
  end

  # Puts a blob there and pins its digest.
  def blob(path, content, files: %w[config/blobs.yml config/blob-sources.yml])
    FileUtils.mkdir_p(File.dirname("#{@copy}/blobs/#{path}"))
    pinned = YAML.load_file("#{@copy}/config/blobs.yml")[path]['sha'].delete_prefix('sha256:')
    File.binwrite("#{@copy}/blobs/#{path}", content)
    files.each { |file| write(file, read(file).gsub(pinned, Digest::SHA256.hexdigest(content))) }
  end

  # The test's own `bosh` goes before the programs of this machine.
  def own_bosh
    FileUtils.mkdir_p("#{@work}/bin")
    File.write("#{@work}/bin/bosh", BOSH)
    File.chmod(0o755, "#{@work}/bin/bosh")
  end

  # All files of the copy with what is in them, but git's own.
  def files
    Dir.glob("#{@copy}/**/*", File::FNM_DOTMATCH).select { |path| File.file?(path) && !path.start_with?("#{@copy}/.git/") }.to_h { |path| [path, Digest::SHA256.file(path).hexdigest] }
  end

  def assert_refused(version, error, bosh: false)
    before = files
    calls = -> { File.exist?("#{@work}/bin/bosh.calls") ? File.readlines("#{@work}/bin/bosh.calls").size : 0 }
    called = calls.call
    output, status = release(version)
    assert_equal 1, status.exitstatus, output
    assert_match error, output
    assert_match(/^hint: /, output)
    assert_equal before, files
    assert_equal called, calls.call, 'bosh was called' unless bosh
    output
  end
end
