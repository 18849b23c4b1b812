import type { ExpositionSink } from '../../wire/exposition.ts';

/** Keeps all that a target exposes. */
export function gatheringSink(): { readonly sink: ExpositionSink; readonly found: unknown[] } {
  const found: unknown[] = [];
  let series = 0;
  return {
    found,
    sink: {
      unseen(labels) {
        found.push(labels);
        return ++series;
      },
      sample: (of, value, time) => void found.push([of, value, time]),
      exemplar: (of, { labels, value, time }) => void found.push([of, labels, value, time]),
      describe: (fact) => void found.push({ ...fact }),
      histogram: (of, { bytes, start }, time) => void found.push([of, bytes.slice(), start, time]),
      badHistogram: (of, why) => void found.push([of, why]),
    },
  };
}

const attributes = [
  { key: 'service.name', value: { stringValue: 'api' } },
  { key: 'flags', value: { arrayValue: { values: [{ intValue: '1' }, { boolValue: true }, { doubleValue: 0.5 }] } } },
  { key: 'nested', value: { kvlistValue: { values: [{ key: 'a', value: { bytesValue: 'AAEC' } }] } } },
];
const times = { startTimeUnixNano: '1785000000000000000', timeUnixNano: '1785000015000000000' };
const exemplars = [{ timeUnixNano: '1785000015000000000', asDouble: 1.5, traceId: '0102030405060708090a0b0c0d0e0f10' }];

/** Every kind of point that OTLP has. */
export const OTLP_DOCUMENT = {
  resourceMetrics: [
    {
      resource: { attributes },
      scopeMetrics: [
        {
          scope: { name: 'scope', version: '1', attributes },
          metrics: [
            {
              name: 'gauge',
              unit: 'By',
              description: 'A gauge.',
              gauge: { dataPoints: [{ ...times, attributes, asInt: '7' }] },
            },
            {
              name: 'requests',
              unit: '1',
              sum: {
                aggregationTemporality: 1,
                isMonotonic: true,
                dataPoints: [
                  { ...times, asDouble: 3.5, exemplars },
                  { ...times, attributes, asDouble: 4, flags: 1 },
                ],
              },
            },
            {
              name: 'latency',
              unit: 's',
              histogram: {
                aggregationTemporality: 2,
                dataPoints: [
                  { ...times, count: '6', sum: 3, bucketCounts: ['1', '2', '3'], explicitBounds: [0.1, 1], exemplars },
                ],
              },
            },
          ],
        },
      ],
    },
    {
      resource: {},
      scopeMetrics: [
        {
          scope: {},
          metrics: [
            {
              name: 'sizes',
              exponentialHistogram: {
                aggregationTemporality: 1,
                dataPoints: [
                  {
                    ...times,
                    count: '7',
                    sum: 9,
                    scale: 3,
                    zeroCount: '1',
                    positive: { offset: -2, bucketCounts: ['1', '0', '2'] },
                    negative: { offset: 4, bucketCounts: ['3'] },
                    zeroThreshold: 0.01,
                  },
                ],
              },
            },
            {
              name: 'summary',
              summary: {
                dataPoints: [{ ...times, count: '2', sum: 5, quantileValues: [{ quantile: 0.5, value: 2 }] }],
              },
            },
          ],
        },
      ],
    },
  ],
} as const;

export const TEXT_BODIES: readonly string[] = [
  `# HELP http_requests_total The total number of "HTTP" requests.\\n
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400",path="C:\\\\DIR \\"x\\"\\n"} 3
# TYPE rpc_duration_seconds summary
rpc_duration_seconds{quantile="0.99"} 76656
rpc_duration_seconds_sum 1.7560473e+07
rpc_duration_seconds_count 2693

# a comment
{"quoted.name", "a.b"="c", x="y"} NaN
something_weird{problem="division by zero"} +Inf -3982045
`,
  'up 1\nup{} 0 1\n# TYPE up gauge\n# HELP up Help\nx{le="+Inf",} -0\n',
];

export const OPEN_METRICS_BODIES: readonly string[] = [
  `# HELP a_total help
# TYPE a counter
# UNIT a_seconds seconds
a_total{x="1"} 17.0 1395066363.5 # {trace_id="abc"} 1 1395066363.123
a_created{x="1"} 1395066363
# TYPE h histogram
h_bucket{le="0.1"} 8 # {id="x"} 0.05
h_bucket{le="+Inf"} 17
h_count 17
h_sum 324789.3
# EOF
`,
  '# TYPE s stateset\ns{s="a"} 1\ns{s="b"} 0\n# TYPE i info\ni_info{v="1"} 1\n# EOF',
];

export const LINE_BODIES: readonly string[] = [
  'cpu,host=a,region=eu usage_idle=98.5,n=3i,u=7u,on=true,text="a \\"b\\" c" 1785000000000000000\nmem,host=a free=1 1785000000000000001\n',
  'weather\\ x,lo\\,c=us\\ midwest,a\\=b=c temp\\ p=82,s="x\ny" 1465839830100400200\n# comment\n\nlast v=-1e-3',
];

export const NUMBERS = ['1e308', '-1', '0.1', '1785000000000', '+Inf', '-Inf', 'nan', '0x10', '1_000', '١'];
