# frozen_string_literal: true

# ci/pipeline.yml and its tasks, as far as they can be checked without a Concourse.

require 'minitest/autorun'
require 'tmpdir'
require 'yaml'
require_relative 'pipeline'

class PipelineTest < Minitest::Test
  REPOSITORY = File.expand_path('../..', __dir__)
  TEXT = File.read("#{REPOSITORY}/ci/pipeline.yml")

  def pipeline(text = TEXT) = Pipeline.new(text, REPOSITORY)

  def test_jobs_resources_tasks_inputs_and_params_fit_together
    assert_empty pipeline.findings
  end

  def test_each_task_file_is_run_by_a_job
    there = Dir.children("#{REPOSITORY}/ci/tasks").map { |name| "containers/ci/tasks/#{name}" }
    wanted = pipeline.task_files.flat_map { |file| [file, file.sub(/\.yml\z/, '.sh')] }
    assert_equal wanted.sort, there.sort
  end

  def test_each_variable_is_in_the_page_for_people_and_the_page_names_no_other
    rows = File.read("#{REPOSITORY}/docs/pipeline.md")[/^\| variable .*/m].scan(/^\| `([a-z_.]+)`/).flatten
    assert_equal pipeline.variables.sort, rows.sort
  end

  def test_each_blob_with_a_maker_has_a_job_that_bumps_it
    blobs = YAML.load_file("#{REPOSITORY}/config/blob-sources.yml")['blobs'].keys.map { |blob| blob[%r{\A[^/]+}] }
    bumped = pipeline.document['jobs'].flat_map { |job| job['plan'] }.filter_map { |step| step.dig('params', 'CONTAINERS_BLOB') if step['task'] }
    assert_empty blobs - bumped
  end

  def test_only_what_was_tested_and_smoke_tested_becomes_a_final_release
    jobs = pipeline.document['jobs'].to_h { |job| [job['name'], job['plan'].flat_map { |step| step['in_parallel'] || [step] }] }
    { 'dev-release' => 'test', 'smoke-test' => 'dev-release', 'final-release' => 'smoke-test' }.each do |job, before|
      assert_equal [before], jobs[job].find { |step| step['get'] == 'containers' }['passed'], job
    end
    refute jobs['final-release'].any? { |step| step['trigger'] }, 'a final release is made by a person'
    jobs.each do |job, plan|
      put = plan.index { |step| step['put'] == 'containers' } or next
      tested = plan.first(put).any? { |step| step['task'] == 'test' } || job == 'final-release'
      assert tested, "#{job} pushes what was not tested"
    end
  end

  def test_secrets_come_from_variables
    document = YAML.safe_load(TEXT, aliases: true)
    secrets = document['resources'].flat_map { |resource| resource['source'].to_a }.select { |key, _| key.match?(/key|secret|password|token/) }
    refute_empty secrets
    secrets.each { |key, value| assert_match(/\A\(\(.+\)\)\z/, value, key) }
  end

  # What the check finds: a change of the pipeline, and the words of the finding.
  FAULTS = {
    'a job that is not there' => ['passed: [smoke-test]', 'passed: [smoke]', 'passed names the job smoke, which is not there'],
    'a job that lacks the resource' => ["get: stemcell\n", "get: stemcell\n            passed: [test]\n", 'which does not use stemcell'],
    'a resource that is not there' => ['get: dev-release', 'get: development-release', 'get development-release: no such resource'],
    'a resource that nobody uses' => ['name: stemcell', 'name: another-stemcell', 'resource another-stemcell: no job uses it'],
    'a task file that is not there' => ['ci/tasks/dev-release.yml', 'ci/tasks/release.yml', 'containers/ci/tasks/release.yml is not there'],
    'an input that nothing brings' => ["          - get: version\n            params: {pre: dev}\n", '', 'nothing before it brings its input version'],
    'an input that is mapped to nothing' => ['{upstream: rust}', '{upstreams: rust}', 'has no input upstreams'],
    'an artifact that nothing makes' => ['release/containers-*.tgz', 'releases/containers-*.tgz', 'nothing before it makes releases/containers-*.tgz'],
    'a param that the task does not have' => ['CONTAINERS_STEMCELL: ((stemcell))', 'CONTAINERS_STEMCELLS: ((stemcell))', 'has no param CONTAINERS_STEMCELLS'],
    'a param that is not set' => ["          CONTAINERS_STEMCELL: ((stemcell))\n", '', 'param CONTAINERS_STEMCELL is not set'],
    'a key that is misspelled' => ['privileged: true', 'privilege: true', 'unknown key privilege'],
    'a step that does not exist' => ['put: dev-release', 'push: dev-release', 'unknown step push'],
    'a type that Concourse does not bring' => ['type: semver', 'type: version', 'unknown type version'],
    'jobs that wait for each other' => ["      - get: containers\n        trigger: true", "      - get: containers\n        passed: [smoke-test]", 'job test waits for itself']
  }.freeze

  FAULTS.each do |fault, (before, after, finding)|
    define_method("test_the_check_finds_#{fault.tr(' ', '_')}") do
      assert_includes TEXT, before
      findings = pipeline(TEXT.sub(before, after)).findings
      assert findings.any? { |found| found.include?(finding) }, "#{finding} is not among #{findings}"
    end
  end
end
