//! What a component is composed of, told before it is compiled.
//!
//! Components nest, and instantiate each other: a few bytes can stand for a million instances, which
//! the compiler writes out one by one. Where components call each other, an adapter is compiled for each
//! function, whose size is that of the function's type. So what a component makes of its parts is counted
//! here as the compiler would write it out, and what cannot be counted by looking at it once is refused:
//! adapters, instances within instances, and components and modules that are passed around. The
//! commands that toolchains make of one program have none of them.

use wasmparser::{
    CanonicalFunction, ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind,
    ComponentTypeRef, Encoding, Instance, Parser, Payload,
};

use super::weight::{Unfit, long};
use crate::component::MAX_INSTANCES;

/// Most imports, exports, arguments, aliases, types and functions of all components together, each
/// counted as often as it is instantiated. A command of a toolchain has hundreds.
const MAX_DEFINITIONS: u64 = 100_000;
/// Most functions, globals, tables and the like of all instances of modules together: what each takes
/// some ten bytes of in every run. CPython has some 15,000.
const MAX_INSTANCE_DEFINITIONS: u64 = 1_000_000;

/// Checks that a valid component is composed of what can be counted, and of not too much.
///
/// # Errors
/// [`Unfit`].
pub(super) fn check(wasm: &[u8]) -> Result<(), Unfit> {
    let mut open: Vec<Open> = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::Version { encoding: Encoding::Component, .. } => {
                let nested = !open.is_empty();
                open.push(Open::Component(Composition { nested, ..Composition::default() }));
            }
            Payload::Version { encoding: Encoding::Module, .. } => open.push(Open::Module(0)),
            Payload::End(_) => {
                let closed = open.pop();
                if let (Some(closed), Some(Open::Component(outer))) = (closed, open.last_mut()) {
                    outer.contain(closed);
                }
            }
            payload => match open.last_mut() {
                Some(Open::Module(definitions)) => *definitions += module_definitions(&payload),
                Some(Open::Component(composition)) => composition.section(&payload)?,
                None => {}
            },
        }
    }
    Ok(())
}

/// What is being read.
enum Open {
    /// A module, by its definitions so far.
    Module(u64),
    Component(Composition),
}

/// What a component is composed of, as far as it was read.
#[derive(Default)]
struct Composition {
    nested: bool,
    cost: Cost,
    exports: u64,
    /// The definitions of each module.
    modules: Vec<u64>,
    /// What it costs to instantiate each component, and how many exports the instance has.
    components: Vec<(Cost, u64)>,
    /// How many exports each instance has.
    instances: Vec<u64>,
}

#[derive(Clone, Copy, Default)]
struct Cost {
    definitions: u64,
    instances: u64,
    instance_definitions: u64,
}

impl Cost {
    fn add(&mut self, other: Self) -> Result<(), Unfit> {
        let refuse = |what: &str, most: u64| {
            Err(Unfit::TooHeavy(format!("it would take too long to compile: it has more than {most} {what}")))
        };
        self.definitions = self.definitions.saturating_add(other.definitions);
        self.instances = self.instances.saturating_add(other.instances);
        self.instance_definitions = self.instance_definitions.saturating_add(other.instance_definitions);
        if self.definitions > MAX_DEFINITIONS {
            return refuse("definitions of components", MAX_DEFINITIONS);
        }
        if self.instances > long(MAX_INSTANCES) {
            return refuse("instances of modules", long(MAX_INSTANCES));
        }
        if self.instance_definitions > MAX_INSTANCE_DEFINITIONS {
            return refuse("definitions in instances of modules", MAX_INSTANCE_DEFINITIONS);
        }
        Ok(())
    }
}

impl Composition {
    fn contain(&mut self, closed: Open) {
        match closed {
            Open::Module(definitions) => self.modules.push(definitions),
            Open::Component(component) => self.components.push((component.cost, component.exports)),
        }
    }

    fn section(&mut self, payload: &Payload<'_>) -> Result<(), Unfit> {
        match payload {
            Payload::ComponentTypeSection(section) => self.define(u64::from(section.count())),
            Payload::CoreTypeSection(section) => self.define(u64::from(section.count())),
            Payload::InstanceSection(section) => {
                section.clone().into_iter().try_for_each(|instance| self.core_instance(&instance?))
            }
            Payload::ComponentInstanceSection(section) => {
                section.clone().into_iter().try_for_each(|instance| self.instance(&instance?))
            }
            Payload::ComponentImportSection(section) => section.clone().into_iter().try_for_each(|import| {
                match import?.ty {
                    ComponentTypeRef::Module(_) | ComponentTypeRef::Component(_) => {
                        return Err(passed_around());
                    }
                    ComponentTypeRef::Instance(_) => self.instances.push(1),
                    _ => {}
                }
                self.define(1)
            }),
            Payload::ComponentExportSection(section) => section.clone().into_iter().try_for_each(|export| {
                let export = export?;
                let size = self.size(export.kind, export.index)?;
                if export.kind == ComponentExternalKind::Instance {
                    if self.nested {
                        return Err(instances_within_instances());
                    }
                    // An export is one more of its kind.
                    self.instances.push(size);
                }
                self.exports += 1;
                self.define(size)
            }),
            Payload::ComponentAliasSection(section) => section.clone().into_iter().try_for_each(|alias| {
                match alias? {
                    ComponentAlias::InstanceExport { kind: ComponentExternalKind::Instance, .. } => {
                        return Err(instances_within_instances());
                    }
                    ComponentAlias::InstanceExport {
                        kind: ComponentExternalKind::Module | ComponentExternalKind::Component,
                        ..
                    }
                    | ComponentAlias::Outer {
                        kind: ComponentOuterAliasKind::CoreModule | ComponentOuterAliasKind::Component,
                        ..
                    } => return Err(passed_around()),
                    _ => {}
                }
                self.define(1)
            }),
            Payload::ComponentCanonicalSection(section) => {
                section.clone().into_iter().try_for_each(|function| {
                    let function = function?;
                    let calls =
                        matches!(function, CanonicalFunction::Lift { .. } | CanonicalFunction::Lower { .. });
                    if self.nested && calls {
                        return Err(Unfit::TooHeavy(
                            "it is composed of several components that have code: the adapters between \
                             them could take too long to compile"
                                .to_owned(),
                        ));
                    }
                    self.define(1)
                })
            }
            _ => Ok(()),
        }
    }

    fn define(&mut self, definitions: u64) -> Result<(), Unfit> {
        self.cost.add(Cost { definitions, ..Cost::default() })
    }

    fn core_instance(&mut self, instance: &Instance<'_>) -> Result<(), Unfit> {
        match instance {
            Instance::Instantiate { module_index, args } => {
                let definitions = at(&self.modules, *module_index).ok_or_else(passed_around)?;
                let arguments = long(args.len());
                self.cost.add(Cost {
                    definitions: 1 + arguments,
                    instances: 1,
                    instance_definitions: definitions,
                })
            }
            Instance::FromExports(exports) => self.define(1 + long(exports.len())),
        }
    }

    fn instance(&mut self, instance: &ComponentInstance<'_>) -> Result<(), Unfit> {
        match instance {
            ComponentInstance::Instantiate { component_index, args } => {
                let (cost, exports) = at(&self.components, *component_index).ok_or_else(passed_around)?;
                self.cost.add(cost)?;
                for argument in args {
                    let size = self.size(argument.kind, argument.index)?;
                    self.define(size)?;
                }
                self.instances.push(exports);
                self.define(1)
            }
            ComponentInstance::FromExports(exports) => {
                for export in exports {
                    if export.kind == ComponentExternalKind::Instance {
                        return Err(instances_within_instances());
                    }
                    let size = self.size(export.kind, export.index)?;
                    self.define(size)?;
                }
                self.instances.push(long(exports.len()));
                self.define(1)
            }
        }
    }

    /// What it costs to name something: an instance is copied.
    fn size(&self, kind: ComponentExternalKind, index: u32) -> Result<u64, Unfit> {
        match kind {
            ComponentExternalKind::Module | ComponentExternalKind::Component => Err(passed_around()),
            ComponentExternalKind::Instance => {
                at(&self.instances, index).map(|size| size + 1).ok_or_else(passed_around)
            }
            _ => Ok(1),
        }
    }
}

fn at<T: Copy>(items: &[T], index: u32) -> Option<T> {
    items.get(usize::try_from(index).ok()?).copied()
}

fn module_definitions(payload: &Payload<'_>) -> u64 {
    u64::from(match payload {
        Payload::ImportSection(section) => section.count(),
        Payload::FunctionSection(section) => section.count(),
        Payload::TableSection(section) => section.count(),
        Payload::MemorySection(section) => section.count(),
        Payload::GlobalSection(section) => section.count(),
        Payload::ElementSection(section) => section.count(),
        Payload::DataSection(section) => section.count(),
        Payload::TagSection(section) => section.count(),
        _ => 0,
    })
}

fn passed_around() -> Unfit {
    Unfit::TooHeavy(
        "it passes modules or components around, so that it cannot be told what it makes".to_owned(),
    )
}

fn instances_within_instances() -> Unfit {
    Unfit::TooHeavy("it has instances within instances, so that it cannot be told how many".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<(), String> {
        check(&wat::parse_str(text).unwrap()).map_err(|unfit| match unfit {
            Unfit::TooHeavy(text) => text,
            Unfit::Malformed(err) => panic!("{err}"),
        })
    }

    /// A component in which each level instantiates the one below twice.
    fn doubled(levels: usize) -> String {
        let mut text = String::from("(component $c0 (core module $m) (core instance (instantiate $m)))");
        for level in 1..=levels {
            let below = level - 1;
            text = format!(
                "(component $c{level} {text} (instance (instantiate $c{below})) (instance (instantiate $c{below})))"
            );
        }
        text
    }

    #[test]
    fn instances_are_counted_as_often_as_they_are_made() {
        assert_eq!(checked(&doubled(8)), Ok(()));
        assert_eq!(
            checked(&doubled(9)).unwrap_err(),
            "it would take too long to compile: it has more than 256 instances of modules"
        );
        assert!(checked(&doubled(60)).is_err());
    }

    #[test]
    fn what_instances_hold_counts_in_each() {
        let component = |instances: usize| {
            format!(
                "(component (core module $m {}) {})",
                "(func)".repeat(10_000),
                "(core instance (instantiate $m))".repeat(instances)
            )
        };
        assert_eq!(checked(&component(100)), Ok(()));
        assert!(checked(&component(101)).unwrap_err().contains("1000000 definitions in instances"));
    }

    #[test]
    fn a_component_of_one_program_may_have_parts_without_code() {
        // As toolchains make them: a part without code gives the export its shape.
        let text = r#"(component
            (core module $m (func (export "run") (result i32) i32.const 0))
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (component $shape (import "run" (func $run (result (result)))) (export "run" (func $run)))
            (instance $run (instantiate $shape (with "run" (func $run))))
            (export "wasi:cli/run@0.2.0" (instance $run)))"#;
        assert_eq!(checked(text), Ok(()));
    }

    #[test]
    fn what_cannot_be_counted_is_refused() {
        let lifted = r#"(component (component
            (core module $m (func (export "f"))) (core instance $i (instantiate $m))
            (func (export "f") (canon lift (core func $i "f")))))"#;
        assert!(checked(lifted).unwrap_err().contains("several components that have code"));
        let nested = r#"(component (instance $a) (instance $b (export "a" (instance $a))))"#;
        assert!(checked(nested).unwrap_err().contains("instances within instances"));
        let imported = r#"(component (import "c" (component)))"#;
        assert!(checked(imported).unwrap_err().contains("passes modules or components around"));
        let outer = "(component (core module $m) (component (alias outer 1 $m (core module $n)) (core instance (instantiate $n))))";
        assert!(checked(outer).unwrap_err().contains("passes modules or components around"));
        let exported = r#"(component (component $a (instance $i) (export "i" (instance $i))) (instance (instantiate $a)))"#;
        assert!(checked(exported).unwrap_err().contains("instances within instances"));
    }

    #[test]
    fn a_large_instance_counts_each_time_it_is_passed() {
        let component = |times: usize| {
            let exports: Vec<_> = (0..1000).map(|n| format!("(export \"f{n}\" (func $f))")).collect();
            let exports = exports.concat();
            format!(
                "(component (import \"f\" (func $f)) (instance $i {exports}) (component $c (import \"i\" (instance))) {})",
                "(instance (instantiate $c (with \"i\" (instance $i))))".repeat(times)
            )
        };
        assert_eq!(checked(&component(90)), Ok(()));
        assert!(checked(&component(110)).unwrap_err().contains("100000 definitions of components"));
    }
}
