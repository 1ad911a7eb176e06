import {
  BigValueColorMode,
  BigValueGraphMode,
  GraphThresholdsStyleConfigBuilder,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  DashboardLinkBuilder,
  DashboardLinkType,
  ThresholdsConfigBuilder,
  ThresholdsMode,
} from '@grafana/grafana-foundation-sdk/dashboard';
import type { Threshold } from '@grafana/grafana-foundation-sdk/dashboard';
import {
  HeatmapColorMode,
  HeatmapColorOptionsBuilder,
  PanelBuilder as HeatmapBuilder,
} from '@grafana/grafana-foundation-sdk/heatmap';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as GraphBuilder } from '@grafana/grafana-foundation-sdk/timeseries';
import type { Query } from './queries.ts';

/** The one datasource of a dashboard: whoever opens it chooses, and nothing depends on one installation's ids. */
export const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };

/** The dashboards there are. A uid is an address that alerts, runbooks and bookmarks have; it never changes. */
export type DashboardUid =
  | 'plantao-service'
  | 'plantao-conversations'
  | 'plantao-queues'
  | 'plantao-model'
  | 'plantao-delivery'
  | 'plantao-tenants'
  | 'plantao-infrastructure';

/** What a panel says, whatever it looks like. */
export interface PanelText {
  readonly title: string;
  /** A unit of Grafana, from `@grafana/grafana-foundation-sdk/units`. */
  readonly unit: string;
  /** What is measured, in a sentence. */
  readonly shows: string;
  /** What to do when it is red, or looks wrong where it has no red. */
  readonly act: string;
  /** The alert that it belongs to, whose runbook it links. */
  readonly alert: string;
  /** Where to look next. */
  readonly next?: DashboardUid;
  readonly queries: readonly Query[];
  /** From here on it is red. */
  readonly red?: { readonly above: number } | { readonly below: number };
  /** Of the 24 columns of a dashboard; the panels of a line have 24 together. */
  readonly width?: number;
  /** A time of its own instead of the one that the dashboard shows. */
  readonly over?: string;
  /** The shortest time that one point stands for, and with it the shortest `$__rate_interval`. */
  readonly step?: string;
}

/** A counter of what has never happened has no series: that is good news, which Grafana would call “No data”. */
const NOTHING_YET = 'nothing so far';

/** What every kind of panel can be told; each of the builders has these methods. */
interface AnyBuilder {
  title(title: string): this;
  description(description: string): this;
  unit(unit: string): this;
  noValue(text: string): this;
  datasource(datasource: { type: string; uid: string }): this;
  links(links: DashboardLinkBuilder[]): this;
  withTarget(target: DataqueryBuilder): this;
  span(width: number): this;
  height(height: number): this;
  interval(step: string): this;
  timeFrom(over: string): this;
}

/** One number that is read at a glance, in the colour of its state. */
export function stat(text: PanelText): StatBuilder {
  return described(new StatBuilder(), text, { width: 6, height: 4, isInstant: true })
    .thresholds(thresholds(text.red))
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .graphMode(BigValueGraphMode.None)
    .colorMode(text.red === undefined ? BigValueColorMode.None : BigValueColorMode.BackgroundSolid);
}

/** Lines over time; where it is red, a dashed line says from where. */
export function graph(text: PanelText): GraphBuilder {
  const mode = text.red === undefined ? GraphThresholdsStyleMode.Off : GraphThresholdsStyleMode.Dashed;
  return described(new GraphBuilder(), text, { width: 12, height: 8 })
    .min(0)
    .lineWidth(1)
    .fillOpacity(8)
    .thresholds(thresholds(text.red))
    .thresholdsStyle(new GraphThresholdsStyleConfigBuilder().mode(mode))
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .showLegend(true),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending));
}

/** Lines that add up to something: what became of all of a thing. */
export function stack(text: PanelText): GraphBuilder {
  return graph(text).fillOpacity(40).stacking(new StackingConfigBuilder().mode(StackingMode.Normal));
}

/** One row for each series and one cell for each step, the darker the more. */
export function heatmap(text: PanelText): HeatmapBuilder {
  const color = new HeatmapColorOptionsBuilder()
    .mode(HeatmapColorMode.Scheme)
    .scheme('Oranges')
    .exponent(0.5)
    .steps(64);
  return described(new HeatmapBuilder(), text, { width: 24, height: 12 }).calculate(false).color(color);
}

interface Shape {
  readonly width: number;
  readonly height: number;
  /** Asked once, for the end of the time that is shown. */
  readonly isInstant?: boolean;
}

function described<T extends AnyBuilder>(builder: T, text: PanelText, shape: Shape): T {
  builder
    .title(text.title)
    .description(`${text.shows}\n\n**${text.red === undefined ? 'If it looks wrong' : 'When red'}:** ${text.act}`)
    .unit(text.unit)
    .noValue(NOTHING_YET)
    .datasource(DATASOURCE)
    .links(linksOf(text))
    .span(text.width ?? shape.width)
    .height(shape.height);
  if (text.step !== undefined) builder.interval(text.step);
  if (text.over !== undefined) builder.timeFrom(text.over);
  for (const [index, query] of text.queries.entries()) builder.withTarget(target(query, index, shape));
  return builder;
}

function target({ expr, legend }: Query, index: number, { isInstant = false }: Shape): DataqueryBuilder {
  const query = new DataqueryBuilder()
    .refId(String.fromCharCode('A'.charCodeAt(0) + index))
    .datasource(DATASOURCE)
    .format(PromQueryFormat.TimeSeries)
    .expr(expr)
    .legendFormat(legend);
  return isInstant ? query.instant() : query.range();
}

function linksOf({ alert, next }: PanelText): DashboardLinkBuilder[] {
  const runbook = linkTo(`Runbook: ${alert}`, `\${runbooks:raw}/${alert}.md`).targetBlank(true);
  return next === undefined ? [runbook] : [runbook, linkTo(`Look next: ${next}`, `/d/${next}`).keepTime(true)];
}

function linkTo(title: string, url: string): DashboardLinkBuilder {
  return new DashboardLinkBuilder(title).type(DashboardLinkType.Link).url(url);
}

function thresholds(red: PanelText['red']): ThresholdsConfigBuilder {
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps(red));
}

/** The first step has no value: it holds from minus infinity on. */
function steps(red: PanelText['red']): Threshold[] {
  if (red === undefined) return [{ value: null, color: 'green' }];
  if ('above' in red) {
    return [
      { value: null, color: 'green' },
      { value: red.above, color: 'red' },
    ];
  }
  return [
    { value: null, color: 'red' },
    { value: red.below, color: 'green' },
  ];
}
