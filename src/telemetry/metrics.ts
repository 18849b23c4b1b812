import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** All of the program's own metrics. Names follow Prometheus: `foresail_<thing>_<base unit>[_total]`. */
export type Metrics = ReturnType<typeof createMetrics>;

/** Seconds. From a sync of a fast disk to a slow query. */
const DURATION_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
/** Seconds. What is answered from memory takes a fraction of a millisecond. */
const MEMORY_BUCKETS = [0.0001, 0.0002, 0.0003, 0.0005, 0.00075, ...DURATION_BUCKETS.slice(1)];

/**
 * @param options.version Shown as `foresail_build_info{version}`.
 * @param options.ofProcess Adds memory, CPU, file descriptors and event loop lag. They observe the whole process, so a
 *   test leaves them out.
 */
export function createMetrics({ version = 'unknown', ofProcess = false } = {}) {
  const registry = new Registry();
  const registers = [registry];
  const counter = <L extends string = never>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Counter<L>({ name, help, labelNames: [...labelNames], registers });
  const gauge = <L extends string = never>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Gauge<L>({ name, help, labelNames: [...labelNames], registers });
  const seconds = <L extends string = never>(
    name: string,
    help: string,
    labelNames: readonly L[] = [],
    buckets = DURATION_BUCKETS,
  ) => new Histogram<L>({ name, help, labelNames: [...labelNames], buckets, registers });

  if (ofProcess) collectDefaultMetrics({ register: registry });
  gauge('foresail_build_info', 'Constant 1, with the version of the program.', ['version']).set({ version }, 1);

  return {
    registry,

    // Ingest
    ingestRequests: counter('foresail_ingest_requests_total', 'Write requests answered, by protocol and status code.', [
      'protocol',
      'code',
    ]),
    ingestBytes: counter('foresail_ingest_received_bytes_total', 'Bytes of write requests as received, packed.'),
    ingestSamples: counter(
      'foresail_ingest_samples_total',
      'Samples of write requests that are stored, those sent again included.',
    ),
    droppedSamples: counter(
      'foresail_dropped_samples_total',
      'Samples refused or not understood, by reason, and by tenant where others sent them.',
      ['reason', 'tenant'],
    ),
    tenantSamples: counter(
      'foresail_tenant_received_samples_total',
      'Samples, histograms, exemplars and metadata of requests that were let in, stored or not: what ingestion_rate counts.',
      ['tenant'],
    ),
    tenantBytes: counter('foresail_tenant_received_bytes_total', 'Bytes of write requests as received, packed.', [
      'tenant',
    ]),
    tenantRefusals: counter(
      'foresail_tenant_refused_requests_total',
      'Requests that were refused as a whole for a limit of their tenant, by reason. Nothing of them was counted as samples.',
      ['tenant', 'reason'],
    ),
    scrapes: counter(
      'foresail_scrapes_total',
      'Scrapes, by what became of them: ok, missed (the one before took too long), or why they failed.',
      ['outcome'],
    ),
    scrapeTargets: gauge('foresail_scrape_targets', 'Targets that are scraped.'),
    scrapeFailures: counter(
      'foresail_scrape_discovery_failures_total',
      'Times that targets could not be discovered, or one of them could not be used.',
      ['job'],
    ),
    backfilledSamples: counter('foresail_backfilled_samples_total', 'Samples of imports, by what became of them.', [
      'outcome',
    ]),
    ingestSeconds: seconds(
      'foresail_ingest_request_duration_seconds',
      'From the headers of a write request to its answer.',
      ['protocol'],
    ),

    // Rules
    ruleEvaluations: counter('foresail_rule_evaluations_total', 'Rules that were evaluated.', ['tenant', 'rule_group']),
    ruleFailures: counter(
      'foresail_rule_evaluation_failures_total',
      'Rules that could not be evaluated, or of which samples were not stored.',
      ['tenant', 'rule_group'],
    ),
    ruleSeconds: seconds('foresail_rule_evaluation_duration_seconds', 'Time that evaluating one rule took.'),
    ruleGroupIterations: counter(
      'foresail_rule_group_iterations_total',
      'Times that a group was to be evaluated, missed ones included.',
      ['tenant', 'rule_group'],
    ),
    ruleGroupIterationsMissed: counter(
      'foresail_rule_group_iterations_missed_total',
      'Times that a group was not evaluated, since the time before took too long.',
      ['tenant', 'rule_group'],
    ),
    ruleGroupSeconds: gauge(
      'foresail_rule_group_last_duration_seconds',
      'Time that the last evaluation of a group took.',
      ['tenant', 'rule_group'],
    ),
    ruleGroupLast: gauge(
      'foresail_rule_group_last_evaluation_timestamp_seconds',
      'The time that a group was last evaluated for.',
      ['tenant', 'rule_group'],
    ),
    ruleGroupSamples: gauge(
      'foresail_rule_group_last_evaluation_samples',
      'Series that the last evaluation of a group wrote.',
      ['tenant', 'rule_group'],
    ),
    ruleGroupInterval: gauge('foresail_rule_group_interval_seconds', 'Time between two evaluations of a group.', [
      'tenant',
      'rule_group',
    ]),
    ruleGroupRules: gauge('foresail_rule_group_rules', 'Rules of a group.', ['tenant', 'rule_group']),
    ruleAlerts: gauge('foresail_rule_alerts', 'Alerts of rules that are active, by state: pending or firing.', [
      'tenant',
      'state',
    ]),
    ruleFileProblems: gauge(
      'foresail_rule_file_problems',
      'What is wrong with files of rules and of objectives now: the last right ones stay in force.',
    ),
    ruleRestoreFailures: counter(
      'foresail_rule_restore_failures_total',
      'Alerting rules of which could not be read after a start since when their alerts are active.',
      ['tenant', 'rule_group'],
    ),
    ruleTellFailures: counter(
      'foresail_rule_alerts_untold_total',
      'Alerts of rules that could not be handed to the alerting part at once; they are told again.',
    ),

    // Store
    commits: counter('foresail_store_commits_total', 'Groups of commits that shared one sync of the log.'),
    syncSeconds: seconds('foresail_store_sync_duration_seconds', 'Time that a sync of the log took.'),
    series: gauge('foresail_store_series', 'Series in memory.', ['tenant']),
    samplesInMemory: gauge('foresail_store_samples', 'Samples in memory.'),
    storeBytes: gauge('foresail_store_size_bytes', 'Size of the data folder: log, snapshots and state.'),
    points: gauge('foresail_downsampling_points', 'Points of samples written since the start.', ['resolution']),
    pointBytes: gauge('foresail_downsampling_size_bytes', 'Size of points on disk.', ['resolution']),
    pointLag: gauge(
      'foresail_downsampling_lag_seconds',
      'How much older than they should be the oldest samples are of which points were not made. What waits is not deleted.',
      ['resolution'],
    ),
    storeFaults: counter(
      'foresail_store_faults_total',
      'Times that the store could not move samples to disk (flush, import), make points of them (points), remove them (drop) or keep them longer (keep), or mistrusted the clock (clock), by reason.',
      ['chore', 'reason'],
    ),
    recoverySeconds: gauge(
      'foresail_store_recovery_duration_seconds',
      'Time that reading the log took at the last start.',
    ),
    recoveryLostBytes: gauge(
      'foresail_store_recovery_lost_bytes',
      'Bytes that the last start could not read: torn (an unfinished write, cut off) or damaged (stepped over).',
      ['kind'],
    ),
    recoveryLostSamples: gauge(
      'foresail_store_recovery_lost_samples',
      'Samples that the last start read and dropped, since the record that names their series was damaged.',
    ),

    // An engine that keeps the samples in place of the store
    engineRequests: counter(
      'foresail_engine_requests_total',
      'Requests to the engine of the storage settings, by what they were for (write or query) and what became of them: a status, or the code of an error.',
      ['kind', 'outcome'],
    ),
    engineSeconds: seconds(
      'foresail_engine_request_duration_seconds',
      'Time that a request to the engine took, with all its attempts.',
      ['kind'],
    ),
    engineRetries: counter(
      'foresail_engine_retries_total',
      'Attempts at a request to the engine after the first, by why it did not do: a status, connection or timeout.',
      ['kind', 'reason'],
    ),
    engineQueued: gauge(
      'foresail_engine_queued_samples',
      'Accepted samples of others that wait in the data folder for the engine to take them.',
    ),
    engineQueuedBytes: gauge('foresail_engine_queued_bytes', 'Bytes of them, of storage.queueBytes.'),
    engineWaiting: gauge(
      'foresail_engine_waiting_samples',
      'Samples of its own that wait in memory for the engine to take them.',
    ),

    // Cost
    costHours: counter('foresail_cost_hours_total', 'Hours of workloads whose spend was kept.'),
    costUnpriced: gauge(
      'foresail_cost_unpriced_workloads',
      'Workloads of which nothing says what they cost, by tenant.',
      ['tenant'],
    ),
    costOpenCost: counter('foresail_opencost_requests_total', 'Questions to OpenCost, by outcome.', ['outcome']),
    costBudgetRatio: gauge(
      'foresail_cost_budget_ratio',
      'What is spent, and what is projected for the period, over the amount of a cost budget.',
      ['tenant', 'budget', 'kind'],
    ),

    // HTTP
    httpRequests: counter(
      'foresail_http_requests_total',
      'Requests answered other than writes, by route and status code.',
      ['route', 'method', 'code'],
    ),
    httpSeconds: seconds('foresail_http_request_duration_seconds', 'Time to answer a request other than a write.', [
      'route',
    ]),
    queryFailures: counter('foresail_query_failures_total', 'Queries that were not answered, by error type.', ['type']),

    queries: counter(
      'foresail_queries_total',
      'Queries that ended, by tenant, by what became of them (answered, limited, failed, timeout or canceled) and by reason: a limit, or the code of an error.',
      ['tenant', 'kind', 'outcome', 'reason'],
    ),
    querySeconds: seconds(
      'foresail_query_phase_duration_seconds',
      'Time of a query by phase: in the queue of its tenant, selecting samples, evaluating, writing the answer.',
      ['kind', 'phase'],
    ),
    querySamples: counter('foresail_query_samples_total', 'Samples that queries selected, by tenant.', ['tenant']),
    queriesRunning: gauge('foresail_queries_running', 'Queries that run now, by tenant.', ['tenant']),

    // Loops
    loopPasses: counter('foresail_loop_passes_total', 'Passes of a loop that were begun.', ['loop']),
    loopSkips: counter('foresail_loop_skips_total', 'Passes, or parts of one, that were left out, by reason.', [
      'loop',
      'reason',
    ]),
    loopFailures: counter(
      'foresail_loop_failures_total',
      'Passes, or parts of one, that ended in an error, by reason.',
      ['loop', 'reason'],
    ),
    loopSeconds: seconds('foresail_loop_pass_duration_seconds', 'Time that a pass of a loop took.', ['loop']),
    loopLastPass: gauge('foresail_loop_last_pass_timestamp_seconds', 'When a pass of a loop last ended.', ['loop']),

    // Forecasts
    forecastsFitted: counter('foresail_forecasts_fitted_total', 'Forecasts that were fitted and stored.'),
    refits: counter(
      'foresail_forecast_refits_total',
      'Times that a forecaster learned: cold (on its whole history), incremental, or restored from what was saved; by reason.',
      ['how', 'reason'],
    ),
    statesDiscarded: counter(
      'foresail_forecaster_states_discarded_total',
      'Saved forecasters that were of no use, and were fitted anew, by reason.',
      ['reason'],
    ),
    anomalies: counter('foresail_anomalies_total', 'Anomalies that began, by their severity then: alert or incident.', [
      'severity',
    ]),
    anomaliesNow: gauge('foresail_anomalous_series', 'Series that are anomalous now.'),
    anomalyFeedback: counter('foresail_anomaly_feedback_total', 'What people said of anomalies: normal or anomaly.', [
      'verdict',
    ]),
    watchedSeries: gauge(
      'foresail_watched_series',
      'Series of watches and demands, by whether they are ready, still learning, or refused because their watch has too many.',
      ['state'],
    ),
    watchSkips: counter(
      'foresail_watch_skips_total',
      'What a watch for anomalies had to leave out, by reason: series beyond its bound, passes whose query failed, states that could not be used, samples that were not stored.',
      ['reason'],
    ),
    watchSeconds: seconds('foresail_watch_pass_duration_seconds', 'To evaluate and judge one watch.'),
    networkUnusable: counter(
      'foresail_network_unusable_total',
      "Networks that could not be used, the shipped one or a tenant's own, by code. Forecasts do without, or go on with the one before.",
      ['code'],
    ),
    trainings: counter(
      'foresail_trainings_total',
      "Times that a tenant's network was trained further, by what became of it (taken-up, not-better, too-little, failed) and what occasioned it.",
      ['outcome', 'occasion'],
    ),
    trainingFailures: counter(
      'foresail_training_failures_total',
      'Trainings that ended in an error, by reason. Each is tried again later.',
      ['reason'],
    ),
    trainingEpoch: gauge('foresail_training_epoch', 'Epochs done of the training under way; 0 while there is none.'),
    networkLoss: gauge(
      'foresail_network_loss_ratio',
      'Loss of networks at the last training of a tenant, on the last quarter of its series: of the candidate, of the one in force before, and of repeating the last value (about half of an error over that of the last value). Less is better.',
      ['tenant', 'network'],
    ),
    forecastThreadEnds: counter(
      'foresail_forecast_thread_ends_total',
      'Threads of forecasters that ended unasked, by reason. Each is started again.',
      ['reason'],
    ),
    forecastsSetAside: counter(
      'foresail_forecasts_set_aside_total',
      'Times that a series was set aside for an hour, since its work had ended a thread twice.',
    ),
    forecastThreadFallbacks: counter(
      'foresail_forecast_thread_fallbacks_total',
      'Times that no thread could be started, and the main thread forecasts in its place.',
    ),
    networkTroubles: counter(
      'foresail_forecast_network_troubles_total',
      'Starts of a thread of forecasters that found no usable network, or no fast backend for it, by reason.',
      ['reason'],
    ),
    forecastQueue: gauge(
      'foresail_forecast_queue',
      'Requests that wait for a thread of forecasters: predict (soon done), or learn.',
      ['kind'],
    ),
    forecastsFailed: counter('foresail_forecasts_failed_total', 'Forecasts that could not be made, by reason.', [
      'reason',
    ]),
    forecastSeconds: seconds('foresail_forecast_duration_seconds', 'Time to fit and predict one demand.'),
    forecastError: gauge(
      'foresail_forecast_error_ratio',
      "Error of issued forecasts that came true lately over that of a naive one: the last value, yesterday's at the same local time, or (of the peak, as the gate judges it) the better naive peak. Below 1 is better.",
      ['namespace', 'policy', 'demand', 'horizon', 'against'],
    ),
    forecastCoverage: gauge(
      'foresail_forecast_coverage_ratio',
      'Share of truths at or below the one-sided 0.95 quantile (upper), or within the central 95 %, lately.',
      ['namespace', 'policy', 'demand', 'horizon', 'interval'],
    ),
    forecastBias: gauge(
      'foresail_forecast_bias_ratio',
      'Mean of forecast less truth over the mean size of the truth, lately. Above 0, too much was forecast.',
      ['namespace', 'policy', 'demand', 'horizon'],
    ),
    accuracyLeftOut: gauge(
      'foresail_forecast_accuracy_left_out',
      'Demands without gauges of their accuracy, since there are more than 500 and theirs are the best.',
    ),
    policiesDemoted: gauge('foresail_policies_demoted', 'Policies that do not trust their forecast, by reason.', [
      'reason',
    ]),
    demotions: counter('foresail_demotions_total', 'Times that a policy stopped trusting its forecast, by reason.', [
      'reason',
    ]),
    demoted: gauge('foresail_policy_demoted', '1 while a policy does not trust its forecast, else 0.', [
      'namespace',
      'policy',
    ]),

    // External metrics
    externalMetricsRequests: counter(
      'foresail_external_metrics_requests_total',
      'Requests of external.metrics.k8s.io that were answered, by outcome.',
      ['outcome'],
    ),
    externalMetricsSeconds: seconds(
      'foresail_external_metrics_request_duration_seconds',
      'From a request of external.metrics.k8s.io that was read to its answer written.',
      ['outcome'],
      MEMORY_BUCKETS,
    ),
    externalMetricsThreadEnds: counter(
      'foresail_external_metrics_thread_ends_total',
      'Times that the thread of the external metrics ended unasked, or did not start again, by reason. Each time it is started again.',
      ['reason'],
    ),
    externalMetricsThreadCpu: counter(
      'foresail_external_metrics_thread_cpu_seconds_total',
      'CPU time of the thread that answers for external metrics.',
    ),
    externalMetricsThreadWait: counter(
      'foresail_external_metrics_thread_wait_seconds_total',
      'Time in which the thread that answers for external metrics was ready to run and waited for a core, where the system tells.',
    ),
    externalMetricsFailures: counter(
      'foresail_external_metrics_refresh_failures_total',
      'Times that whom to believe, the certificate, the APIService or the other adapter could not be looked at.',
      ['what'],
    ),
    externalMetricsProblem: gauge(
      'foresail_external_metrics_problem',
      '1 while something is wrong with that part of the external metrics, else 0.',
      ['what'],
    ),
    externalMetricsCertificateExpiry: gauge(
      'foresail_external_metrics_certificate_expiry_timestamp_seconds',
      'When the certificate that is presented expires.',
    ),

    // Plans and what was done
    decisions: counter('foresail_decisions_total', 'Decisions recorded, by what occasioned them.', ['occasion']),
    kedaCalls: counter('foresail_keda_scaler_calls_total', "Calls of KEDA's external scaler, by their gRPC status.", [
      'method',
      'status',
    ]),
    boundsWrites: counter('foresail_bounds_writes_total', 'Attempts to write replica bounds, by outcome.', ['outcome']),
    statusWrites: counter(
      'foresail_policy_status_writes_total',
      "Attempts to write a custom resource's status, by outcome: written, gone or failed.",
      ['outcome'],
    ),
    policyWatchEnds: counter(
      'foresail_policy_watch_ends_total',
      'Watches of custom resources that ended, by reason: timeout (as agreed), gone (events were missed: all are listed anew), closed, refused, or absent (there is no definition).',
      ['reason'],
    ),
    floor: gauge('foresail_floor_replicas', 'The floor that the last plan asks for.', ['namespace', 'policy']),
    ceiling: gauge('foresail_ceiling_replicas', 'The most replicas that the policy allows.', ['namespace', 'policy']),
    wanted: gauge(
      'foresail_wanted_replicas',
      'What the forecast asked for in the last plan, before ramps and limits. NaN while it is not trusted.',
      ['namespace', 'policy'],
    ),
    leadTime: gauge(
      'foresail_lead_time_seconds',
      'From a decision to a ready pod: as plans have it (planned), and as learned from the starts of pods (0.5, 0.95), which leaves out what the autoscaler takes to act.',
      ['namespace', 'policy', 'quantile'],
    ),
    policyTroubles: gauge(
      'foresail_policy_troubles',
      'Troubles of a policy that the page shows: no target, no demand, a field given up, a forecast not trusted.',
      ['namespace', 'policy'],
    ),
    policyDegraded: gauge(
      'foresail_policy_degraded',
      'Constant 1 for each policy that something keeps from its work, with the reason of its condition Degraded. To learn is to be at work.',
      ['namespace', 'policy', 'reason'],
    ),
    policyCostState: gauge(
      'foresail_policy_cost_state',
      'Constant 1 for each policy whose projected spend is over a share of its budget, with the share that it is over: warn, critical or capped.',
      ['namespace', 'policy', 'state'],
    ),
    alertsHeld: gauge(
      'foresail_alerts_held',
      'Alerts that are known, by state: active, suppressed (by a silence or another alert) or resolved.',
      ['state'],
    ),
    alertsFlapping: gauge('foresail_alerts_flapping', 'Alerts that come and go, and are told once for all times.'),
    alertSilences: gauge('foresail_alert_silences', 'Silences that are active.'),
    alertsRefused: counter(
      'foresail_alerts_refused_total',
      'Alerts that were not taken in, by reason: labels (none, or too many), size, limit (alertsPerTenant).',
      ['reason'],
    ),
    notifications: counter(
      'foresail_notifications_total',
      'Messages that a receiver took; for an Alertmanager, requests that an instance took.',
      ['receiver', 'integration'],
    ),
    notificationFailures: counter(
      'foresail_notification_failures_total',
      'Attempts to tell a receiver that it did not take, by reason: connection, tls, timeout, rate-limited, server-error, refused, address, no-receiver, unsendable, overflow, overflow-bytes.',
      ['receiver', 'integration', 'reason'],
    ),
    notificationRetries: counter(
      'foresail_notification_retries_total',
      'Attempts that did not succeed and are made again.',
      ['receiver', 'integration'],
    ),
    notificationQueue: gauge('foresail_notification_queue_length', 'Messages that wait for a receiver.', [
      'receiver',
      'integration',
    ]),
    notificationsDead: counter(
      'foresail_notifications_given_up_total',
      'Messages that were given up, by reason: they are among the dead letters.',
      ['receiver', 'integration', 'reason'],
    ),
    notificationQueueBytes: gauge('foresail_notification_queue_bytes', 'Bytes of the messages that wait.'),
    deadLettersForgotten: counter(
      'foresail_notification_dead_letters_forgotten_total',
      'Dead letters that are kept no longer, by reason: count or bytes, of which the tenant had too many.',
      ['reason'],
    ),
    deadLetters: gauge('foresail_notification_dead_letters', 'Messages that were given up, and wait for somebody.'),
    notificationTemplateFaults: counter(
      'foresail_notification_template_faults_total',
      'Texts of the settings that could not be expanded: the text that stands for them was sent.',
    ),
    coordinationMembers: gauge(
      'foresail_coordination_members',
      'Replicas that share the targets, this one too. 0 where it shares with nobody (coordination: off).',
    ),
    coordinationActing: gauge(
      'foresail_coordination_acting',
      'Whether this replica may write to its share of the targets: 1 while its lease is held.',
    ),
    costReports: counter(
      'foresail_cost_reports_total',
      'Cost reports by mail, by outcome: sent, failed (it is tried again), no_sender (nothing sends mail).',
      ['outcome'],
    ),
    policyProblems: gauge(
      'foresail_policy_problems',
      'Policies that are not in force, or not in their newest form, because of an error.',
    ),
  };
}
